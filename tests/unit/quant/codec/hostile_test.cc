// Entries that no encoder made: decoding names what is wrong and never leaves the arrays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "quant/codec/codec.h"

namespace sub1quant {
namespace {

using testing::HasSubstr;

constexpr int64_t kRows = 3, kCols = 130;

EncodedMatrix Encoded(const std::string& method, bool keep_ignored = false) {
  std::vector<float> weights(kRows * kCols);
  for (size_t i = 0; i < weights.size(); ++i)
    weights[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) * 0.01f;
  return FindCodec(method)
      ->Encode({weights.data(), DType::kF32, kRows, kCols}, {.keep_ignored_arrays = keep_ignored})
      .value();
}

EncodedArray* ArrayOf(EncodedMatrix* encoded, const std::string& name) {
  return const_cast<EncodedArray*>(encoded->Find(name));
}

absl::Status DecodeAll(const EncodedMatrix& encoded) {
  std::vector<float> out(kRows * kCols);
  return FindCodec(encoded.method)->Decode(encoded, 0, kRows, out.data());
}

void ExpectRefused(const EncodedMatrix& encoded, const std::string& part) {
  const absl::Status status = DecodeAll(encoded);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << part;
  EXPECT_THAT(std::string(status.message()), HasSubstr(part));
}

TEST(HostileEntry, ArraysOfEveryMethod) {
  for (const std::string& method : KnownMethods()) {
    SCOPED_TRACE(method);
    const EncodedMatrix good = Encoded(method);
    ASSERT_EQ(DecodeAll(good), absl::OkStatus());
    for (size_t i = 0; i < good.arrays.size(); ++i) {
      const std::string name = good.arrays[i].name;
      SCOPED_TRACE(name);
      EncodedMatrix bad = good;
      bad.arrays.erase(bad.arrays.begin() + static_cast<int64_t>(i));
      ExpectRefused(bad, "'" + name + "' is missing");
      bad = good;
      bad.arrays[i].name = "elsewhere";
      ExpectRefused(bad, "'elsewhere'");
      bad = good;
      bad.arrays.push_back(good.arrays[i]);
      ExpectRefused(bad, "twice");
      bad = good;
      bad.arrays[i].dtype = good.arrays[i].dtype == DType::kU8 ? DType::kF16 : DType::kU8;
      ExpectRefused(bad, name);
      bad = good;
      bad.arrays[i].shape.push_back(1);
      ExpectRefused(bad, "shape");
      bad = good;
      bad.arrays[i].shape[0] -= 1;
      ExpectRefused(bad, "shape");
      bad = good;
      bad.arrays[i].bytes.pop_back();
      ExpectRefused(bad, "bytes");
      bad = good;
      bad.arrays[i].bytes.clear();
      ExpectRefused(bad, "bytes");
      bad = good;
      bad.arrays[i].bytes.push_back(0);
      ExpectRefused(bad, "bytes");
    }
  }
}

TEST(HostileEntry, NumbersOfEveryMethod) {
  for (const std::string& method : KnownMethods()) {
    const EncodedMatrix good = Encoded(method);
    for (const int64_t rows : {int64_t{0}, int64_t{-3}, int64_t{2}, int64_t{4}, std::numeric_limits<int64_t>::max(),
                               std::numeric_limits<int64_t>::min()}) {
      EncodedMatrix bad = good;
      bad.rows = rows;
      std::vector<float> out(1000);
      EXPECT_EQ(FindCodec(method)->Decode(bad, 0, 1, out.data()).code(), absl::StatusCode::kInvalidArgument) << rows;
    }
    for (const int64_t cols :
         {int64_t{0}, int64_t{-1}, int64_t{128}, int64_t{257}, std::numeric_limits<int64_t>::max()}) {
      EncodedMatrix bad = good;
      bad.cols = cols;
      std::vector<float> out(1000);
      EXPECT_EQ(FindCodec(method)->Decode(bad, 0, 1, out.data()).code(), absl::StatusCode::kInvalidArgument) << cols;
    }
    for (int group_size : {0, -1, 64, 100, 256}) {
      EncodedMatrix bad = good;
      bad.group_size = group_size;
      EXPECT_FALSE(DecodeAll(bad).ok()) << group_size;
    }
    EncodedMatrix bad = good;
    bad.method = method == "groupwise_int4" ? "int2_base" : "groupwise_int4";
    EXPECT_FALSE(FindCodec(method)->Decode(bad, 0, 0, nullptr).ok());
  }
}

TEST(HostileEntry, RowsOutside) {
  const EncodedMatrix good = Encoded("groupwise_int4");
  std::vector<float> out(kRows * kCols);
  const Codec* codec = FindCodec("groupwise_int4");
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  for (const auto& [first, count] : std::vector<std::pair<int64_t, int64_t>>{
           {-1, 1}, {0, 4}, {3, 1}, {4, 0}, {1, kMax}, {kMax, 1}, {0, -1}, {kMax, kMax}})
    EXPECT_EQ(codec->Decode(good, first, count, out.data()).code(), absl::StatusCode::kInvalidArgument) << first;
  EXPECT_EQ(codec->Decode(good, 3, 0, nullptr), absl::OkStatus());
}

TEST(HostileEntry, CorrectionIndicesAndCounts) {
  for (const size_t at : {size_t{0}, size_t{3}, size_t{23}}) {  // 23: past the count of the last, short group
    EncodedMatrix bad = Encoded("int2_error_budget_k4");
    ArrayOf(&bad, "outlier_indices")->bytes.at(at) = 128;
    ExpectRefused(bad, "outlier_indices");
  }
  EncodedMatrix bad = Encoded("int2_error_budget_k4");
  ArrayOf(&bad, "outlier_counts")->bytes.at(5) = 5;
  ExpectRefused(bad, "outlier_counts");
  // An index in the padding is inside the group: decoding drops it.
  EncodedMatrix padding = Encoded("int2_error_budget_k4");
  ArrayOf(&padding, "outlier_indices")->bytes.at(23) = 127;
  ArrayOf(&padding, "outlier_counts")->bytes.at(5) = 4;
  EXPECT_EQ(DecodeAll(padding), absl::OkStatus());
}

TEST(HostileEntry, ScalesThatAreNotFinite) {
  for (const auto& [method, array] :
       std::vector<std::pair<std::string, std::string>>{{"groupwise_int4", "scales"},
                                                        {"int2_base", "base_scales"},
                                                        {"int2", "scales"},
                                                        {"int5", "scales"},
                                                        {"int2_binary_residual", "residual_scales"},
                                                        {"int2_error_budget_k8", "binary_residual_scales"},
                                                        {"int2_error_budget_k8", "outlier_scales"}}) {
    for (uint8_t high : {0x7c, 0xfc, 0x7e}) {
      EncodedMatrix bad = Encoded(method);
      ArrayOf(&bad, array)->bytes.at(9) = high;
      ExpectRefused(bad, array);
    }
  }
}

TEST(HostileEntry, BaseWithHalfOfItsIgnoredArrays) {
  EncodedMatrix base = Encoded("int2_base", true);
  ASSERT_EQ(base.arrays.size(), 4u);
  EXPECT_EQ(DecodeAll(base), absl::OkStatus());
  ArrayOf(&base, "residual_packed")->bytes.pop_back();
  ExpectRefused(base, "residual_packed");
}

// Other encoders write code -8, codes +2 and scales of either sign.
TEST(ForeignEntry, CodesAndScalesWeDoNotWrite) {
  EncodedMatrix int4 = Encoded("groupwise_int4");
  ArrayOf(&int4, "scales")->bytes = {0x00, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};  // -2 first
  ArrayOf(&int4, "packed_int4")->bytes.at(0) = 0xf0;                             // codes -8 and 7
  std::vector<float> out(kRows * kCols);
  ASSERT_EQ(FindCodec("groupwise_int4")->Decode(int4, 0, kRows, out.data()), absl::OkStatus());
  EXPECT_EQ(out[0], 16.0f);
  EXPECT_EQ(out[1], -14.0f);
  EncodedMatrix base = Encoded("int2_base");
  ArrayOf(&base, "base_scales")->bytes.at(0) = 0x00;
  ArrayOf(&base, "base_scales")->bytes.at(1) = 0xc0;
  ArrayOf(&base, "base_packed")->bytes.at(0) = 0xe4;  // codes -1, 0, 1, 2
  ASSERT_EQ(FindCodec("int2_base")->Decode(base, 0, kRows, out.data()), absl::OkStatus());
  EXPECT_EQ(out[0], 2.0f);
  EXPECT_EQ(out[1], 0.0f);
  EXPECT_EQ(out[2], -2.0f);
  EXPECT_EQ(out[3], -4.0f);
}

}  // namespace
}  // namespace sub1quant
