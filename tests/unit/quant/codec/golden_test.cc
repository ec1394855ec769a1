// Every case of codec-golden, byte for byte.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "quant/codec/implementations.h"
#include "tests/support/codec_cases.h"

namespace sub1quant {
namespace {

using golden::Codecs;

class GoldenCase {
 public:
  GoldenCase(const nlohmann::json& entry, const std::string& method)
      : entry_(entry),
        method_(method),
        want_(entry.at("formats").at(method)),
        codec_(FindCodec(method)),
        input_(Codecs().InputOf(entry)),
        group_size_(entry.at("group_size")) {}

  void Check() {
    SCOPED_TRACE(entry_.at("name").get<std::string>() + " " + method_);
    ASSERT_NE(codec_, nullptr);
    CheckSizes();
    auto encoded = codec_->Encode(input_, {.group_size = group_size_});
    ASSERT_TRUE(encoded.ok()) << encoded.status();
    EXPECT_EQ(encoded->method, method_);
    EXPECT_EQ(encoded->stored_bytes(), want_.at("stored_bytes").get<uint64_t>());
    EXPECT_EQ(encoded->error.ToHex(), want_.at("sse_2e60").get<std::string>());
    EXPECT_EQ(encoded->error.ToDouble(), want_.at("sse").get<double>());
    CheckArrays(*encoded);
    CheckCounts(*encoded);
    CheckDecoded(*encoded);
  }

 private:
  void CheckSizes() {
    const int64_t bits = codec_->NominalBits(input_.rows, input_.cols, group_size_);
    EXPECT_EQ(bits, want_.at("bits").get<int64_t>());
    EXPECT_EQ(static_cast<double>(bits) / static_cast<double>(input_.rows * input_.cols),
              want_.at("bpw").get<double>());
    EXPECT_EQ(codec_->StoredBytes(input_.rows, input_.cols, group_size_), want_.at("stored_bytes").get<uint64_t>());
  }

  void CheckArrays(const EncodedMatrix& encoded) {
    const std::string prefix = entry_.at("name").get<std::string>() + "/" + method_ + "/";
    size_t expected = 0;
    for (const auto& [key, tensor] : Codecs().FileOf(entry_).tensors()) {
      if (key.rfind(prefix, 0) != 0 || key.substr(prefix.size()) == "decoded") continue;
      ++expected;
      const EncodedArray* array = encoded.Find(key.substr(prefix.size()));
      ASSERT_NE(array, nullptr) << key;
      EXPECT_EQ(array->dtype, tensor.dtype) << key;
      EXPECT_EQ(array->shape, tensor.shape) << key;
      EXPECT_EQ(array->bytes, tensor.bytes()) << key;
    }
    EXPECT_EQ(encoded.arrays.size(), expected);
    EXPECT_GE(expected, 2u);
  }

  // The counts of an entry, derived from the arrays: codes of the padded matrix.
  void CheckCounts(const EncodedMatrix& encoded) {
    const auto& scalars = want_.at("scalars");
    const int64_t groups = GroupsPerRow(input_.cols, group_size_);
    EXPECT_EQ(scalars.at("padded_shape"), (nlohmann::json{input_.rows, groups * group_size_}));
    const auto elements = [&](const char* name) {
      int64_t count = 1;
      for (int64_t dimension : encoded.Find(name)->shape) count *= dimension;
      return count;
    };
    if (scalars.contains("base_count")) {
      EXPECT_EQ(elements("base_packed") * 4, scalars.at("base_count").get<int64_t>());
    }
    if (scalars.contains("outlier_count")) {
      EXPECT_EQ(elements("outlier_indices"), scalars.at("outlier_count").get<int64_t>());
      EXPECT_EQ(elements("outlier_indices"), input_.rows * groups * scalars.at("outliers_per_group").get<int64_t>());
    }
  }

  void CheckDecoded(const EncodedMatrix& encoded) {
    const auto& want = Codecs().FileOf(entry_).at(entry_.at("name").get<std::string>() + "/" + method_ + "/decoded");
    std::vector<float> got(static_cast<size_t>(input_.rows * input_.cols));
    ASSERT_EQ(codec_->Decode(encoded, 0, input_.rows, got.data()), absl::OkStatus());
    ASSERT_EQ(got.size() * 4, want.size);
    EXPECT_EQ(std::memcmp(got.data(), want.data, want.size), 0);
    // Row by row into exactly as much room as asked for.
    for (int64_t row = 0; row < input_.rows; ++row) {
      std::vector<float> one(static_cast<size_t>(input_.cols));
      ASSERT_EQ(codec_->Decode(encoded, row, 1, one.data()), absl::OkStatus());
      EXPECT_EQ(std::memcmp(one.data(), want.data + row * input_.cols * 4, one.size() * 4), 0) << row;
    }
  }

  const nlohmann::json& entry_;
  std::string method_;
  const nlohmann::json& want_;
  const Codec* codec_;
  MatrixView input_;
  int group_size_;
};

TEST(CodecGolden, EveryCase) {
  int checked = 0, skipped = 0;
  for (const auto& entry : Codecs().json.at("cases")) {
    for (const auto& format : entry.at("formats").items()) {
      if (golden::IsSkipped(entry)) {
        ++skipped;
        EXPECT_FALSE(
            FindCodec(format.key())->Encode(Codecs().InputOf(entry), {.group_size = entry.at("group_size")}).ok());
        continue;
      }
      GoldenCase(entry, format.key()).Check();
      ++checked;
    }
  }
  EXPECT_EQ(checked + skipped, 434);
  EXPECT_EQ(skipped, 18);
}

// An int2_base entry may carry the residual arrays of int2_binary_residual; they change nothing.
TEST(CodecGolden, BaseKeepsIgnoredArrays) {
  for (const auto& entry : Codecs().json.at("cases")) {
    if (golden::IsSkipped(entry) || !entry.at("formats").contains("int2_base")) continue;
    SCOPED_TRACE(entry.at("name").get<std::string>());
    const MatrixView input = Codecs().InputOf(entry);
    const int group_size = entry.at("group_size");
    const auto binary = FindCodec("int2_binary_residual")->Encode(input, {.group_size = group_size});
    const auto base = FindCodec("int2_base")->Encode(input, {.group_size = group_size, .keep_ignored_arrays = true});
    ASSERT_TRUE(binary.ok() && base.ok());
    ASSERT_EQ(base->arrays.size(), 4u);
    for (const EncodedArray& array : binary->arrays)
      EXPECT_EQ(base->Find(array.name)->bytes, array.bytes) << array.name;
    EXPECT_EQ(base->error.ToHex(), entry["formats"]["int2_base"]["sse_2e60"].get<std::string>());
    std::vector<float> got(static_cast<size_t>(input.rows * input.cols));
    ASSERT_EQ(FindCodec("int2_base")->Decode(*base, 0, input.rows, got.data()), absl::OkStatus());
    const auto& want = Codecs().FileOf(entry).at(entry["name"].get<std::string>() + "/int2_base/decoded");
    EXPECT_EQ(std::memcmp(got.data(), want.data, want.size), 0);
  }
}

// A matrix of several row blocks, odd in rows, with an odd number of correction entries a row.
TEST(CodecGolden, ThreadsChangeNothing) {
  const int64_t rows = 2051, cols = 100;
  std::vector<float> weights(static_cast<size_t>(rows * cols));
  uint32_t state = 12345;
  for (float& w : weights) {
    state = state * 1664525u + 1013904223u;
    w = static_cast<float>(static_cast<int32_t>(state) >> 8) * 1e-7f;
  }
  const MatrixView matrix{weights.data(), DType::kF32, rows, cols};
  for (const std::string method : {"int2_base", "int2_binary_residual", "int2_error_budget_k5", "int2_error_budget_k8",
                                   "int2_error_budget_k3", "groupwise_int4"}) {
    const auto one = FindCodec(method)->Encode(matrix, {.group_size = 128, .threads = 1});
    ASSERT_TRUE(one.ok()) << one.status();
    for (int threads : {2, 3, 7}) {
      const auto many = FindCodec(method)->Encode(matrix, {.group_size = 128, .threads = threads});
      ASSERT_TRUE(many.ok());
      EXPECT_EQ(many->error, one->error);
      for (size_t i = 0; i < one->arrays.size(); ++i) EXPECT_EQ(many->arrays[i].bytes, one->arrays[i].bytes) << method;
    }
    // Rows are independent: each half encoded alone gives its part of the whole sum.
    ExactSum halves;
    for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, 1001}, {1001, 1050}}) {
      const MatrixView part{weights.data() + first * cols, DType::kF32, count, cols};
      halves.Add(FindCodec(method)->Encode(part, {.group_size = 128})->error);
    }
    EXPECT_EQ(halves, one->error) << method;
  }
}

// Two blocks never write to one byte: groups of an odd number of nibbles meet inside a block only.
TEST(RowBlocks, StartAtEvenRows) {
  for (const int64_t cols : {1, 100, 127, 500, 9000, 30000, 70000}) {
    const int64_t rows = cols > 1000 ? 9 : 5001;
    const std::vector<uint16_t> weights(static_cast<size_t>(rows * cols));
    const MatrixView matrix{weights.data(), DType::kBF16, rows, cols};
    std::vector<int64_t> first_rows(static_cast<size_t>(RowBlockCount(matrix)), rows);
    int64_t seen = 0;
    ASSERT_TRUE(ForEachTile(matrix, 256, 3, BestImplementation(), [&](int64_t block, const WeightTile& tile) {
                  int64_t& first = first_rows[static_cast<size_t>(block)];
                  first = std::min(first, tile.row(0));
                  return absl::OkStatus();
                }).ok());
    for (const int64_t row : first_rows) {
      EXPECT_EQ(row % 2, 0) << "cols " << cols;
      EXPECT_GE(row, seen);
      seen = row;
    }
    EXPECT_LT(seen, rows);
  }
}

// 15 correction codes: the high half of the last byte is filled with the code of 0.
TEST(Corrections, OddTail) {
  std::vector<float> weights(3 * 32);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i % 13) - 6.0f;
  const auto encoded =
      FindCodec("int2_error_budget_k5")->Encode({weights.data(), DType::kF32, 3, 32}, {.group_size = 32});
  ASSERT_TRUE(encoded.ok());
  const EncodedArray* packed = encoded->Find("outlier_packed");
  ASSERT_EQ(packed->bytes.size(), 8u);
  EXPECT_EQ(packed->bytes.back() >> 4, 8);
}

}  // namespace
}  // namespace sub1quant
