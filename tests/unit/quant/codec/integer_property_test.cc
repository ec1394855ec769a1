// Groups that hunt for ties against a slow oracle of its own, and whether they would notice a mistake.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <vector>

#include "integer_oracle.h"
#include "quant/codec/integer_group/bit_stream.h"
#include "quant/codec/integer_group/integer_group.h"

namespace sub1quant {
namespace {

using integer_oracle::Mistake;

constexpr uint32_t kSeed = 20260901;
constexpr int kSizes[] = {32, 64, 128, 256};

struct Input {
  std::vector<float> weights;     // with padding
  std::vector<float> importance;  // empty or as long
  int real = 0;
};

// Makes groups of every kind that has hidden a mistake.
class Hunter {
 public:
  explicit Hunter(uint32_t seed) : random_(seed) {}

  Input Next(int size, int bits) {
    Input input;
    input.real = random_() % 4 == 0 ? 1 + static_cast<int>(random_() % static_cast<unsigned>(size)) : size;
    input.weights.assign(static_cast<size_t>(size), 0.0f);
    const Fill fill = kFills[random_() % std::size(kFills)];
    (this->*fill)(&input, bits);
    if (random_() % 3 == 0) AddImportance(&input);
    return input;
  }

 private:
  using Fill = void (Hunter::*)(Input*, int);

  float Uniform(float low, float high) { return std::uniform_real_distribution<float>(low, high)(random_); }
  float Beside(float x) { return std::nextafter(x, random_() % 2 == 0 ? 1e30f : -1e30f); }
  float* begin(Input* input) { return input->weights.data(); }
  float* end(Input* input) { return input->weights.data() + input->real; }

  void Heavy(Input* input, int) {
    std::student_t_distribution<float> values(3);
    const float size = std::exp2(Uniform(-20, 5));
    std::generate(begin(input), end(input), [&] { return values(random_) * size; });
  }

  // Multiples of `scale`, which make it the best by far, and every fourth weight on a tie of its codes or one unit
  // beside; at most `absmax`, which the first weight has.
  void Around(float scale, float absmax, int bits, Input* input) {
    const auto n = static_cast<float>(IntegerOffset(bits));
    std::generate(begin(input), end(input), [&] {
      const bool tie = random_() % 4 == 0;
      const float w = std::clamp((std::floor(Uniform(-n, n)) + (tie ? 0.5f : 0.0f)) * scale, -absmax, absmax);
      return tie && random_() % 3 == 0 ? Beside(w) : w;
    });
    for (float* w = begin(input); w != end(input); ++w) *w = std::clamp(*w, -absmax, absmax);
    *begin(input) = random_() % 2 == 0 ? absmax : -absmax;
  }

  void CodeTies(Input* input, int bits) {
    const float absmax = std::exp2(Uniform(-10, 4));
    const float factor = IntegerGrid(bits)[random_() % IntegerGrid(bits).size()];
    const float scale = (factor * absmax) / static_cast<float>(IntegerOffset(bits));
    Around(Fp16Value(Fp16Bits(scale)), absmax, bits, input);
  }

  // absmax such that factor*absmax/n is halfway between two float16 values, or as near as float32 comes, above or
  // below.
  void ScaleTies(Input* input, int bits) {
    const float factor = IntegerGrid(bits)[random_() % IntegerGrid(bits).size()];
    const auto n = static_cast<float>(IntegerOffset(bits));
    const auto half = static_cast<uint16_t>(0x1c00 + random_() % 0x2000);
    const float middle = (Fp16Value(half) + Fp16Value(static_cast<uint16_t>(half + 1))) / 2;
    float absmax = middle * n / factor;
    for (const float target = middle * n; factor * absmax < target;) absmax = std::nextafter(absmax, 1e30f);
    if (random_() % 2 == 0) absmax = std::nextafter(absmax, 0.0f);
    Around(Fp16Value(Fp16Bits((factor * absmax) / n)), absmax, bits, input);
  }

  // Few different values, symmetric: equal costs of different scales.
  void Symmetric(Input* input, int) {
    const float step = std::exp2(static_cast<float>(static_cast<int>(random_() % 20)) - 12.0f);
    std::generate(begin(input), end(input), [&] { return step * static_cast<float>(random_() % 3); });
    for (int i = 0; i < input->real; ++i)
      if (i % 2 == 1) input->weights[static_cast<size_t>(i)] = -input->weights[static_cast<size_t>(i - 1)];
  }

  void Constant(Input* input, int) { std::fill(begin(input), end(input), Uniform(-2, 2)); }
  void Zero(Input* input, int) { std::fill(begin(input), end(input), random_() % 2 == 0 ? 0.0f : -0.0f); }

  void Negative(Input* input, int bits) {
    Heavy(input, bits);
    for (float* w = begin(input); w != end(input); ++w) *w = -std::fabs(*w);
  }

  void Spike(Input* input, int bits) {
    Heavy(input, bits);
    begin(input)[random_() % static_cast<unsigned>(input->real)] = Uniform(-1, 1) * 1000;
  }

  // Around the underflow of the scale: a/n from below half of the least subnormal to a few of them.
  void Tiny(Input* input, int bits) {
    const float least = std::exp2(-25.0f) * static_cast<float>(IntegerOffset(bits));
    const float absmax = random_() % 2 == 0 ? least : Uniform(0.5f, 8.0f) * least;
    std::generate(begin(input), end(input), [&] { return Uniform(-1, 1) * absmax; });
    *begin(input) = random_() % 2 == 0 ? absmax : Beside(absmax);
  }

  // Around its overflow: some factors give infinity.
  void Huge(Input* input, int bits) {
    const float most = std::nextafter(65520.0f, 0.0f) * static_cast<float>(IntegerOffset(bits));
    std::generate(begin(input), end(input), [&] { return Uniform(-1, 1) * most; });
    *begin(input) = Uniform(0, 1) < 0.5f ? most : most * 0.99f;
  }

  void AddImportance(Input* input) {
    input->importance.assign(input->weights.size(), 0.0f);
    const int kind = static_cast<int>(random_() % 3);
    for (int i = 0; i < input->real; ++i)
      input->importance[static_cast<size_t>(i)] = kind == 0   ? static_cast<float>(random_() % 2)
                                                  : kind == 1 ? std::exp2(Uniform(-30, 30))
                                                              : Uniform(0, 2);
  }

  static constexpr Fill kFills[] = {&Hunter::Heavy,     &Hunter::CodeTies, &Hunter::ScaleTies, &Hunter::ScaleTies,
                                    &Hunter::Symmetric, &Hunter::Constant, &Hunter::Zero,      &Hunter::Negative,
                                    &Hunter::Spike,     &Hunter::Tiny,     &Hunter::Huge};
  std::mt19937 random_;
};

WeightGroup GroupOf(const Input& input) {
  WeightGroup group;
  group.size = static_cast<int>(input.weights.size());
  group.real = input.real;
  std::copy(input.weights.begin(), input.weights.end(), group.weights);
  for (float w : input.weights) group.absmax = std::max(group.absmax, std::fabs(w));
  return group;
}

// What ChooseInteger and EncodeInteger say, in the oracle's terms.
integer_oracle::Group Ours(const Input& input, int bits) {
  const WeightGroup group = GroupOf(input);
  if (IntegerScaleOverflows(group.absmax, bits)) return {.refused = true};
  const float* importance = input.importance.empty() ? nullptr : input.importance.data();
  IntegerChoice choice;
  ChooseInteger(group, bits, importance, &choice);
  std::vector<uint8_t> codes(input.weights.size() + 1, 0xa5);
  EncodeInteger(group, bits, choice.scale, codes.data());
  EXPECT_EQ(codes.back(), 0xa5);
  codes.pop_back();
  integer_oracle::Group ours{choice.scale, {}, choice.sum, false};
  for (uint8_t code : codes) ours.codes.push_back(code - IntegerOffset(bits));
  return ours;
}

TEST(IntegerGroup, EqualsTheOracle) {
  Hunter hunter(kSeed);
  for (int round = 0; round < 150; ++round) {
    for (const int size : kSizes) {
      for (const int bits : IntegerWidths()) {
        const Input input = hunter.Next(size, bits);
        ASSERT_EQ(Ours(input, bits), integer_oracle::Encode(input.weights, bits, input.importance))
            << "seed " << kSeed << ", round " << round << ", size " << size << ", int" << bits;
      }
    }
  }
}

// The groups above would notice each of these mistakes.
TEST(IntegerGroup, TheInputsNoticeMistakes) {
  const std::map<Mistake, int> least = {
      {Mistake::kDivides, 5},    {Mistake::kLastOfEquals, 20}, {Mistake::kNegativeFirst, 5},
      {Mistake::kOneSign, 100},  {Mistake::kAwayFromZero, 20}, {Mistake::kFloatGrid, 3},
      {Mistake::kRawScale, 100}, {Mistake::kPlainSum, 100},
  };
  for (const auto& [mistake, expected] : least) {
    Hunter hunter(kSeed);
    int differ = 0;
    for (int round = 0; round < 60; ++round) {
      for (const int size : kSizes) {
        for (const int bits : IntegerWidths()) {
          const Input input = hunter.Next(size, bits);
          differ += integer_oracle::Encode(input.weights, bits, input.importance, mistake) != Ours(input, bits);
        }
      }
    }
    EXPECT_GE(differ, expected) << "mistake " << static_cast<int>(mistake) << " in 1440 groups, seed " << kSeed;
  }
}

// Every value of every position, through bits written one by one.
TEST(IntegerBitStream, EveryWidthAndLength) {
  std::mt19937 random(kSeed);
  for (int bits = 1; bits <= 8; ++bits) {
    for (const int count : {8, 16, 32, 64, 128, 256}) {
      std::vector<uint8_t> codes(static_cast<size_t>(count)), want(static_cast<size_t>(count * bits / 8));
      for (uint8_t& code : codes) code = static_cast<uint8_t>(random() % (1u << bits));
      for (int i = 0; i < count * bits; ++i) {
        const unsigned bit = (codes[static_cast<size_t>(i / bits)] >> (i % bits)) & 1u;
        want[static_cast<size_t>(i / 8)] = static_cast<uint8_t>(want[static_cast<size_t>(i / 8)] | (bit << (i % 8)));
      }
      std::vector<uint8_t> packed(want.size() + 1, 0xa5), unpacked(codes.size() + 1, 0xa5);
      PackStream(codes.data(), count, bits, packed.data());
      EXPECT_EQ(packed.back(), 0xa5);
      packed.pop_back();
      EXPECT_EQ(packed, want);
      UnpackStream(want.data(), count, bits, unpacked.data());
      EXPECT_EQ(unpacked.back(), 0xa5);
      unpacked.pop_back();
      EXPECT_EQ(unpacked, codes);
    }
  }
}

}  // namespace
}  // namespace sub1quant
