// Every implementation in the list against the scalar one, bit for bit, on inputs that hunt for mistakes.
#include "quant/codec/implementations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <memory>

#include "quant/search/search.h"
#include "tests/support/weight_inputs.h"

namespace sub1quant {
namespace {

using testing::LargestAbsmax;
using testing::OddShapes;
using testing::WeightShape;
using testing::WeightsUpTo;

constexpr int kGroupSizes[] = {32, 64, 128, 256};
constexpr DType kTypes[] = {DType::kBF16, DType::kF16, DType::kF32};

const Implementation& Scalar() { return *Implementations().back(); }

std::vector<const Implementation*> VectorImplementations() {
  std::vector<const Implementation*> found;
  for (const Implementation* implementation : Implementations())
    if (implementation != &Scalar() && implementation->supported()) found.push_back(implementation);
  return found;
}

// Also the k that the vector kernels leave to the reference, alone and together with those that they take.
std::vector<std::string> Methods() {
  std::vector<std::string> methods = KnownMethods();
  for (const char* k : {"1", "3", "7", "9", "32"}) methods.push_back(std::string("int2_error_budget_k") + k);
  return methods;
}

void ExpectSameSums(const MatrixView& matrix, int group_size, const std::vector<std::string>& methods,
                    const Implementation& implementation) {
  const auto want = SearchMatrix(matrix, group_size, methods, 1, Scalar());
  const auto got = SearchMatrix(matrix, group_size, methods, 1, implementation);
  ASSERT_TRUE(want.ok()) << want.status();
  ASSERT_TRUE(got.ok()) << got.status();
  for (size_t i = 0; i < methods.size(); ++i)
    EXPECT_EQ((*got)[i].error.ToHex(), (*want)[i].error.ToHex()) << methods[i];
}

void ExpectSameBytes(const MatrixView& matrix, int group_size, const std::string& method,
                     const Implementation& implementation) {
  EncodeOptions options{.group_size = group_size, .keep_ignored_arrays = true, .implementation = &Scalar()};
  const auto want = FindCodec(method)->Encode(matrix, options);
  options.implementation = &implementation;
  const auto got = FindCodec(method)->Encode(matrix, options);
  ASSERT_TRUE(want.ok()) << want.status();
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->error.ToHex(), want->error.ToHex()) << method;
  for (size_t i = 0; i < want->arrays.size(); ++i)
    EXPECT_EQ(got->arrays[i].bytes, want->arrays[i].bytes) << method << " " << want->arrays[i].name;
}

TEST(Implementations, SameSumsAndBytesAsScalar) {
  for (const Implementation* implementation : VectorImplementations()) {
    for (const DType dtype : kTypes) {
      for (const int group_size : kGroupSizes) {
        for (const WeightShape& shape : OddShapes(group_size)) {
          for (uint32_t seed = 1; seed <= 3; ++seed) {
            SCOPED_TRACE(::testing::Message()
                         << implementation->name << " dtype " << static_cast<int>(dtype) << " g " << group_size << " ["
                         << shape.rows << ", " << shape.cols << "] seed " << seed);
            const WeightMatrix matrix = WeightSource(seed).Matrix(dtype, shape.rows, shape.cols, group_size);
            ExpectSameSums(matrix.view(), group_size, Methods(), *implementation);
            ExpectSameSums(matrix.view(), group_size, PublishedMethods(), *implementation);
            for (const std::string& method : Methods())
              ExpectSameBytes(matrix.view(), group_size, method, *implementation);
            if (HasFailure()) return;
          }
        }
      }
    }
  }
}

// What a search of all methods kept makes each method's bytes and error, with no second search.
TEST(Implementations, EncodeFromWhatTheSearchKept) {
  for (const Implementation* implementation : Implementations()) {
    if (!implementation->supported()) continue;
    const WeightMatrix matrix = WeightSource(9).Matrix(DType::kBF16, 23, 700, 128);
    std::vector<KeptChoices> kept;
    ASSERT_TRUE(SearchMatrix(matrix.view(), 128, Methods(), 2, *implementation, &kept).ok());
    for (size_t m = 0; m < Methods().size(); ++m) {
      const Codec* codec = FindCodec(Methods()[m]);
      SCOPED_TRACE(implementation->name + (" " + Methods()[m]));
      EXPECT_EQ(kept[m].bytes.size(), static_cast<size_t>(23 * 6 * codec->ChoiceBytes()));
      EncodeOptions options{.implementation = implementation};
      const auto want = codec->Encode(matrix.view(), options);
      options.kept = &kept[m];
      const auto got = codec->Encode(matrix.view(), options);
      ASSERT_TRUE(want.ok() && got.ok());
      EXPECT_EQ(got->error.ToHex(), want->error.ToHex());
      for (size_t i = 0; i < want->arrays.size(); ++i) EXPECT_EQ(got->arrays[i].bytes, want->arrays[i].bytes);
    }
  }
}

// Each method alone: other requests to the shared kernels.
TEST(Implementations, OneMethodAtATime) {
  for (const Implementation* implementation : VectorImplementations()) {
    const WeightMatrix matrix = WeightSource(7).Matrix(DType::kBF16, 40, 1000, 128);
    for (const std::string& method : Methods()) {
      SCOPED_TRACE(implementation->name + (" " + method));
      ExpectSameSums(matrix.view(), 128, {method}, *implementation);
    }
  }
}

// Each method as far as its scales reach, where others refuse, and one unit further.
TEST(Implementations, TheBorderOfEachMethod) {
  std::vector<const Implementation*> all = VectorImplementations();
  all.push_back(&Scalar());
  for (const Implementation* implementation : all) {
    for (const int group_size : kGroupSizes) {
      for (const std::string& method : Methods()) {
        SCOPED_TRACE(::testing::Message() << implementation->name << " g " << group_size << " " << method);
        const float largest = LargestAbsmax(method);
        const WeightMatrix matrix = WeightsUpTo(largest, group_size);
        ExpectSameSums(matrix.view(), group_size, {method}, *implementation);
        ExpectSameBytes(matrix.view(), group_size, method, *implementation);
        const WeightMatrix above = WeightsUpTo(std::nextafter(largest, 1e9f), group_size);
        const EncodeOptions options{.group_size = group_size, .implementation = implementation};
        const absl::Status refused = FindCodec(method)->Encode(above.view(), options).status();
        EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
        EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("row 1, group 1"));
        EXPECT_FALSE(SearchMatrix(above.view(), group_size, {method}, 1, *implementation).ok());
      }
    }
  }
}

// With an importance per input channel, some of it 0; then all of it 0, so small that costs are subnormal, and large.
TEST(Implementations, WeighTheSame) {
  for (const Implementation* implementation : VectorImplementations()) {
    for (const int64_t cols : {128, 300}) {
      const WeightMatrix matrix = WeightSource(5).Matrix(DType::kF32, 37, cols, 128);
      for (const float unit : {0.3f, 0.0f, 1e-40f, 1e6f}) {
        EncodeOptions options;
        for (int64_t i = 0; i < cols; ++i) options.importance.push_back(static_cast<float>(i * 37 % 11) * unit);
        for (const std::string& method : IntegerMethods()) {
          SCOPED_TRACE(::testing::Message() << implementation->name << " " << method << " " << unit);
          options.implementation = &Scalar();
          const auto want = FindCodec(method)->Encode(matrix.view(), options);
          options.implementation = implementation;
          const auto got = FindCodec(method)->Encode(matrix.view(), options);
          ASSERT_TRUE(want.ok() && got.ok());
          EXPECT_EQ(got->error, want->error);
          EXPECT_EQ(got->weighted_error, want->weighted_error);
          for (size_t i = 0; i < want->arrays.size(); ++i) EXPECT_EQ(got->arrays[i].bytes, want->arrays[i].bytes);
        }
      }
    }
  }
}

// A matrix that ends where the next page cannot be touched, and one that begins there: less than a tile of groups, and
// tiles that are full.
TEST(Implementations, StayInsideTheMatrix) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t middle = 32 * page;
  auto* const pages =
      static_cast<uint8_t*>(mmap(nullptr, middle + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  ASSERT_EQ(mprotect(pages + page, middle, PROT_READ | PROT_WRITE), 0);
  std::vector<const Implementation*> all = VectorImplementations();
  all.push_back(&Scalar());
  for (const Implementation* implementation : all) {
    for (const DType dtype : kTypes) {
      for (const int group_size : kGroupSizes) {
        for (const int64_t cols : {1, 31, 33, 100, group_size, group_size + 1}) {
          for (const int64_t rows : {5, 32}) {
            const WeightMatrix matrix = WeightSource(3).Matrix(dtype, rows, cols, group_size);
            ASSERT_LE(matrix.bytes.size(), middle);
            for (uint8_t* const place : {pages + page, pages + page + middle - matrix.bytes.size()}) {
              std::memcpy(place, matrix.bytes.data(), matrix.bytes.size());
              ExpectSameSums({place, dtype, rows, cols}, group_size, PublishedMethods(), *implementation);
            }
          }
        }
      }
    }
  }
  munmap(pages, middle + 2 * page);
}

// Calls make(tile, out) for a tile of 13 groups with an `out` of zeros and one of rubbish, and check(lane, a, b) for
// each lane in use.
template <class Out, class Make, class Check>
void ExpectSameFromRubbish(const Implementation& implementation, const Make& make, const Check& check) {
  const WeightMatrix matrix = WeightSource(11).Matrix(DType::kF32, 13, 128, 128);
  const auto zeroed = std::make_unique<Out>(), rubbish = std::make_unique<Out>();
  std::memset(static_cast<void*>(rubbish.get()), 0xa5, sizeof(Out));
  ASSERT_TRUE(ForEachTile(matrix.view(), 128, 1, implementation, [&](int64_t, const WeightTile& tile) {
                make(tile, zeroed.get());
                make(tile, rubbish.get());
                for (int lane = 0; lane < tile.lanes; ++lane) check(lane, *zeroed, *rubbish);
                return absl::OkStatus();
              }).ok());
}

struct IntegerOut {
  IntegerTileChoice choice;
  IntegerWords words;
};

// Whatever stood in the outputs before.
TEST(Implementations, WriteEveryWordOfTheLanesInUse) {
  const uint8_t multipliers[kTileLanes] = {0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0};
  const int ks[] = {4, 8};
  const Int2Request request{.binary = true, .ks = ks, .k_count = 2};
  for (const Implementation* implementation : Implementations()) {
    if (!implementation->supported()) continue;
    SCOPED_TRACE(implementation->name);
    ExpectSameFromRubbish<Int4Tile>(*implementation, implementation->int4.encode,
                                    [](int lane, const Int4Tile& a, const Int4Tile& b) {
                                      EXPECT_EQ(a.sums[lane], b.sums[lane]);
                                      EXPECT_EQ(a.scales[lane], b.scales[lane]);
                                      for (int word = 0; word < 16; ++word)
                                        EXPECT_EQ(a.words[word][lane], b.words[word][lane]);
                                    });
    ExpectSameFromRubbish<Int2Tile>(
        *implementation,
        [&](const WeightTile& tile, Int2Tile* out) { implementation->int2.encode(tile, multipliers, out); },
        [](int lane, const Int2Tile& a, const Int2Tile& b) {
          EXPECT_EQ(a.base_scales[lane], b.base_scales[lane]);
          EXPECT_EQ(a.residual_scales[lane], b.residual_scales[lane]);
          for (int word = 0; word < 8; ++word) EXPECT_EQ(a.base[word][lane], b.base[word][lane]);
          for (int word = 0; word < 4; ++word) EXPECT_EQ(a.signs[word][lane], b.signs[word][lane]);
        });
    ExpectSameFromRubbish<Int2Choices>(
        *implementation,
        [&](const WeightTile& tile, Int2Choices* out) { implementation->int2.choose(tile, request, out); },
        [](int lane, const Int2Choices& a, const Int2Choices& b) {
          EXPECT_EQ(a.base_sums[lane], b.base_sums[lane]);
          for (const auto& [x, y] : {std::pair(&a.binary, &b.binary), {&a.k[0], &b.k[0]}, {&a.k[1], &b.k[1]}}) {
            EXPECT_EQ(x->sums[lane], y->sums[lane]);
            EXPECT_EQ(x->multipliers[lane], y->multipliers[lane]);
          }
        });
    for (const int bits : IntegerWidths())
      ExpectSameFromRubbish<IntegerOut>(
          *implementation,
          [&](const WeightTile& tile, IntegerOut* out) {
            implementation->integer.choose(tile, bits, nullptr, &out->choice);
            implementation->integer.encode(tile, bits, out->choice.scales, &out->words);
          },
          [&](int lane, const IntegerOut& a, const IntegerOut& b) {
            EXPECT_EQ(a.choice.costs[lane], b.choice.costs[lane]);
            EXPECT_EQ(a.choice.sums[lane], b.choice.sums[lane]);
            EXPECT_EQ(a.choice.scales[lane], b.choice.scales[lane]);
            for (int word = 0; word < 4 * bits; ++word) EXPECT_EQ(a.words[word][lane], b.words[word][lane]) << bits;
          });
  }
}

TEST(Implementations, ScalarIsLastAndAlwaysThere) {
  EXPECT_STREQ(Scalar().name, "scalar");
  EXPECT_TRUE(Scalar().supported());
  EXPECT_TRUE(BestImplementation().supported());
}

}  // namespace
}  // namespace sub1quant
