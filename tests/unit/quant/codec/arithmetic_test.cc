// The shared arithmetic against oracles that know only the definition.
#include "quant/codec/arithmetic.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "core/exact_sum.h"
#include "quant/codec/int2_group/top_k.h"

namespace sub1quant {
namespace {

// The value of a finite float16, from its fields.
double ValueOf(int bits) {
  const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  return exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
}

// Both sides grow with absmax, so that they agree everywhere if they do around the middle.
TEST(IsZeroGroup, IsAScaleThatRoundsToZero) {
  const auto middle = std::bit_cast<uint32_t>(7 * 0x1p-25f);
  for (uint32_t bits = middle - 1000; bits <= middle + 1000; ++bits) {
    const auto absmax = std::bit_cast<float>(bits);
    ASSERT_EQ(IsZeroGroup(absmax), Fp16Bits(absmax / 7.0f) == 0) << absmax;
  }
  EXPECT_TRUE(IsZeroGroup(0.0f));
}

TEST(Fp16, EveryValueReadsAndRoundTrips) {
  for (int bits = 0; bits < 0x7c00; ++bits) {
    const float value = Fp16Value(static_cast<uint16_t>(bits));
    ASSERT_EQ(value, ValueOf(bits)) << bits;
    ASSERT_EQ(Fp16Value(static_cast<uint16_t>(bits | 0x8000)), -ValueOf(bits)) << bits;
    ASSERT_EQ(Fp16Bits(value), bits);
    ASSERT_EQ(Fp16Bits(-value), bits | 0x8000);
  }
  EXPECT_EQ(Fp16Value(0x7c00), std::numeric_limits<float>::infinity());
  EXPECT_EQ(Fp16Value(0xfc00), -std::numeric_limits<float>::infinity());
  for (int mantissa = 1; mantissa < 1024; ++mantissa)
    ASSERT_TRUE(std::isnan(Fp16Value(static_cast<uint16_t>(0x7c00 | mantissa))));
}

// Between neighbours: the middle goes to the even one, one unit beside it to the nearer.
TEST(Fp16, EveryTie) {
  for (int low = 0; low < 0x7c00; ++low) {
    const double next = low + 1 == 0x7c00 ? 65536.0 : ValueOf(low + 1);
    const auto middle = static_cast<float>((ValueOf(low) + next) / 2);
    ASSERT_EQ(Fp16Bits(middle), low % 2 == 0 ? low : low + 1) << low;
    ASSERT_EQ(Fp16Bits(std::nextafter(middle, 0.0f)), low);
    ASSERT_EQ(Fp16Bits(std::nextafter(middle, 1e6f)), low + 1);
  }
  EXPECT_EQ(Fp16Bits(std::numeric_limits<float>::max()), kFp16Infinity);
  EXPECT_EQ(Fp16Bits(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(RoundToCode, AgainstTheLibrary) {
  for (const float limit : {1.0f, 7.0f}) {
    std::vector<float> inputs = {0.0f, 1e-40f, 65504.0f, 3e38f, std::numeric_limits<float>::infinity()};
    for (int half = 0; half <= 20; ++half) {
      const auto x = static_cast<float>(half) * 0.5f;
      inputs.insert(inputs.end(), {x, std::nextafter(x, -1.0f), std::nextafter(x, 100.0f)});
    }
    for (const float x : inputs)
      for (const float value : {x, -x})
        EXPECT_EQ(RoundToCode(value, limit), std::clamp(std::nearbyint(value), -limit, limit)) << value;
  }
}

TEST(Bf16, NearestEven) {
  for (uint32_t bits :
       {0x3f800000u, 0x3f808000u, 0x3f818000u, 0x3f808001u, 0x3f807fffu, 0x7f7fffffu, 0x00008000u, 0u}) {
    const auto value = std::bit_cast<float>(bits);
    const uint32_t low = bits >> 16, rest = bits & 0xffffu;
    const uint32_t want = rest > 0x8000u || (rest == 0x8000u && low % 2 == 1) ? low + 1 : low;
    EXPECT_EQ(Bf16Bits(value), want) << bits;
    EXPECT_EQ(Bf16Bits(-value), want | 0x8000u) << bits;
  }
}

// The INT2 steps without a division, at every float16 scale and around every place where a code could change.
TEST(Int2Steps, EqualTheDivision) {
  for (int bits = 1; bits < 0x7c00; ++bits) {
    const float scale = Fp16Value(static_cast<uint16_t>(bits));
    for (const float factor : {0.0f, 0.25f, 0.5f, 0.75f, 1.0f, 1.5f, 2.0f, 2.75f}) {
      float x = factor * scale;
      for (int step = 0; step < 3; ++step) x = std::nextafter(x, 0.0f);
      for (int step = -3; step <= 3; ++step, x = std::nextafter(x, 1e9f)) {
        const float q = RoundToCode(x / scale, 1.0f);
        ASSERT_EQ(Int2IsOne(x, scale), q != 0.0f) << bits << " " << x;
        ASSERT_EQ(Int2Error(x, scale), Magnitude(x - q * scale)) << bits << " " << x;
      }
    }
  }
}

TEST(ExactUnits, AreWhatAnExactSumAdds) {
  std::mt19937 random(3);
  for (int round = 0; round < 200'000; ++round) {
    const auto exponent = static_cast<uint32_t>(random() % (127 + 63));
    const auto mantissa = static_cast<uint32_t>(random() & (random() % 4 == 0 ? 0x700000u : 0x7fffffu));
    const auto value = std::bit_cast<float>((exponent << 23) | mantissa);
    ExactSum sum;
    sum.Add(value);
    const unsigned __int128 units = ExactUnits(value);
    ASSERT_EQ(ExactSum::FromParts(static_cast<int64_t>(units >> 64), static_cast<uint64_t>(units)), sum) << value;
  }
}

// The definition, word for word.
float Butterfly(std::vector<float> v) {
  int bits = 0;
  while ((1u << bits) < v.size()) ++bits;
  v.resize(size_t{1} << bits, 0.0f);
  std::vector<int> order;
  if (bits > 0) order.push_back(0);
  for (int k = bits - 1; k >= 1; --k) order.push_back(k);
  std::vector<bool> gone(v.size(), false);
  for (int k : order) {
    const size_t bit = size_t{1} << k;
    for (size_t i = 0; i < v.size(); ++i) {
      if ((i & bit) != 0 || gone[i]) continue;
      v[i] = v[i] + v[i | bit];
      gone[i | bit] = true;
    }
  }
  return v[0];
}

template <int kSize>
void CheckButterfly(std::mt19937* random) {
  std::lognormal_distribution<float> values(0, 4);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> v(kSize), squares(kSize);
    for (float& x : v) x = values(*random);
    for (int i = 0; i < kSize; ++i)
      squares[static_cast<size_t>(i)] = v[static_cast<size_t>(i)] * v[static_cast<size_t>(i)];
    ASSERT_EQ(ButterflySum<kSize>(v.data()), Butterfly(v));
    ASSERT_EQ(ButterflySumOfSquares<kSize>(v.data()), Butterfly(squares));
  }
}

TEST(ButterflySum, AgainstTheDefinition) {
  std::mt19937 random(1);
  CheckButterfly<32>(&random);
  CheckButterfly<64>(&random);
  CheckButterfly<128>(&random);
  CheckButterfly<256>(&random);
}

TEST(TopK, AgainstAStableSort) {
  std::mt19937 random(2);
  for (int round = 0; round < 300; ++round) {
    // Few distinct magnitudes: ties everywhere.
    std::vector<float> t(128);
    const int distinct = 1 + round % 40;
    for (float& x : t)
      x = static_cast<float>(static_cast<int>(random() % static_cast<unsigned>(2 * distinct + 1)) - distinct);
    std::vector<int> order(128);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return std::fabs(t[static_cast<size_t>(a)]) > std::fabs(t[static_cast<size_t>(b)]);
    });
    for (int k : {1, 4, 8, 127, 128}) {
      TopK top;
      SelectTopK<128>(t.data(), k, &top);
      for (int i = 0; i < k; ++i)
        ASSERT_EQ(top.indices[i], order[static_cast<size_t>(i)]) << "k " << k << " entry " << i;
    }
  }
}

}  // namespace
}  // namespace sub1quant
