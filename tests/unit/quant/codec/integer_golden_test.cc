// The integer family of codec-golden, byte for byte, with importance and without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <limits>
#include <vector>

#include "quant/codec/family.h"
#include "quant/codec/implementations.h"
#include "tests/support/codec_cases.h"

namespace sub1quant {
namespace {

using golden::Codecs;
using testing::HasSubstr;

constexpr char kImportance[] = "+importance";

struct IntegerData {
  nlohmann::json json = golden::ReadJson("codec-golden/integer.json");
  golden::SafetensorsFile file{"codec-golden/integer.safetensors"};
};

const IntegerData& Data() {
  static const IntegerData data;
  return data;
}

std::vector<float> ImportanceOf(const nlohmann::json& entry) {
  const golden::Tensor& tensor = Data().file.at(entry.at("name").get<std::string>() + "/importance");
  std::vector<float> importance(tensor.size / sizeof(float));
  std::memcpy(importance.data(), tensor.data, tensor.size);
  return importance;
}

// Code i of a row, read bit by bit.
int CodeAt(const std::vector<uint8_t>& packed, int64_t row_bytes, int64_t row, int64_t i, int bits) {
  int code = 0;
  for (int bit = 0; bit < bits; ++bit) {
    const int64_t at = i * bits + bit;
    code |= ((packed.at(static_cast<size_t>(row * row_bytes + at / 8)) >> (at % 8)) & 1) << bit;
  }
  return code;
}

void CheckDecoded(const EncodedMatrix& encoded, int bits) {
  const Codec* codec = FindCodec(encoded.method);
  std::vector<float> got(static_cast<size_t>(encoded.rows * encoded.cols));
  ASSERT_EQ(codec->Decode(encoded, 0, encoded.rows, got.data()), absl::OkStatus());
  const EncodedArray& packed = *encoded.Find("packed");
  const EncodedArray& scales = *encoded.Find("scales");
  for (int64_t row = 0; row < encoded.rows; ++row) {
    for (int64_t col = 0; col < encoded.cols; ++col) {
      const auto at = static_cast<size_t>(2 * (row * scales.shape[1] + col / encoded.group_size));
      const float scale = Fp16Value(static_cast<uint16_t>(scales.bytes[at] | scales.bytes[at + 1] << 8));
      const int q = CodeAt(packed.bytes, packed.shape[1], row, col, bits) - (1 << (bits - 1));
      ASSERT_EQ(got[static_cast<size_t>(row * encoded.cols + col)], static_cast<float>(q) * scale) << row << " " << col;
    }
    std::vector<float> one(static_cast<size_t>(encoded.cols));
    ASSERT_EQ(codec->Decode(encoded, row, 1, one.data()), absl::OkStatus());
    ASSERT_EQ(std::memcmp(one.data(), got.data() + row * encoded.cols, one.size() * 4), 0) << row;
  }
}

void CheckCase(const nlohmann::json& entry, const std::string& tag) {
  SCOPED_TRACE(entry.at("name").get<std::string>() + " " + tag);
  const nlohmann::json& want = entry.at("formats").at(tag);
  const bool weighted = tag.find(kImportance) != std::string::npos;
  const std::string method = tag.substr(0, tag.find('+'));
  const MatrixView input = Codecs().InputOf(entry);
  EncodeOptions options{.group_size = entry.at("group_size"), .threads = 2};
  if (weighted) options.importance = ImportanceOf(entry);
  const Codec* codec = FindCodec(method);
  ASSERT_NE(codec, nullptr);
  const auto encoded = codec->Encode(input, options);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  EXPECT_EQ(encoded->method, method);
  EXPECT_EQ(encoded->error.ToHex(), want.at("sse_2e60").get<std::string>());
  EXPECT_EQ(encoded->error.ToDouble(), want.at("sse").get<double>());
  EXPECT_EQ(codec->NominalBits(input.rows, input.cols, options.group_size), want.at("bits").get<int64_t>());
  EXPECT_EQ(codec->StoredBytes(input.rows, input.cols, options.group_size), encoded->stored_bytes());
  ASSERT_EQ(encoded->arrays.size(), 2u);
  for (const EncodedArray& array : encoded->arrays) {
    const auto& golden = Data().file.at(entry.at("name").get<std::string>() + "/" + tag + "/" + array.name);
    EXPECT_EQ(array.shape, golden.shape) << array.name;
    EXPECT_EQ(array.dtype, golden.dtype) << array.name;
    EXPECT_EQ(array.bytes, golden.bytes()) << array.name;
  }
  CheckDecoded(*encoded, std::stoi(method.substr(3)));
}

TEST(IntegerGolden, EveryCase) {
  int checked = 0;
  for (const auto& entry : Data().json.at("cases")) {
    for (const auto& format : entry.at("formats").items()) {
      CheckCase(entry, format.key());
      ++checked;
    }
  }
  EXPECT_EQ(checked, 30 * 12);
}

// All widths at once, each twice and in another order: the sums of the encodings.
TEST(IntegerGolden, EvaluatorGivesTheSumsOfTheEncodings) {
  const std::vector<std::string> methods = {"int8", "int3", "int2", "int6", "int3", "int4", "int5", "int8"};
  const Family* family = nullptr;
  for (const Family* candidate : Families())
    if (candidate->Find("int3") != nullptr) family = candidate;
  ASSERT_NE(family, nullptr);
  for (const auto& entry : Data().json.at("cases")) {
    SCOPED_TRACE(entry.at("name").get<std::string>());
    const MatrixView input = Codecs().InputOf(entry);
    const int group_size = entry.at("group_size");
    const auto evaluator = family->NewEvaluator(methods, group_size);
    ASSERT_TRUE(evaluator.ok());
    std::vector<ExactSum> totals(methods.size());
    std::vector<std::array<float, kTileLanes>> sums(methods.size());
    const auto add = [&](int64_t, const WeightTile& tile) {
      (*evaluator)
          ->Evaluate(tile, BestImplementation(), reinterpret_cast<float(*)[kTileLanes]>(sums.data()),
                     /*choices=*/nullptr);
      for (size_t i = 0; i < methods.size(); ++i)
        for (int lane = 0; lane < tile.lanes; ++lane) totals[i].Add(sums[i][static_cast<size_t>(lane)]);
      return absl::OkStatus();
    };
    ASSERT_TRUE(ForEachTile(input, group_size, 1, BestImplementation(), add).ok());
    for (size_t i = 0; i < methods.size(); ++i)
      EXPECT_EQ(totals[i].ToHex(), entry["formats"][methods[i]]["sse_2e60"].get<std::string>()) << methods[i];
  }
}

TEST(IntegerImportance, OfOnesIsNone) {
  for (const auto& entry : Data().json.at("cases")) {
    const MatrixView input = Codecs().InputOf(entry);
    EncodeOptions options{.group_size = entry.at("group_size")};
    const auto plain = FindCodec("int3")->Encode(input, options);
    options.importance.assign(static_cast<size_t>(input.cols), 1.0f);
    const auto weighted = FindCodec("int3")->Encode(input, options);
    ASSERT_TRUE(plain.ok() && weighted.ok());
    for (size_t i = 0; i < 2; ++i) EXPECT_EQ(plain->arrays[i].bytes, weighted->arrays[i].bytes);
    EXPECT_FALSE(plain->weighted_error.has_value());
    EXPECT_EQ(weighted->weighted_error, plain->error);
  }
}

// Against the decoded values, and whatever the threads.
TEST(IntegerImportance, WeightedErrorIsThatOfTheDecodedMatrix) {
  const int64_t rows = 700, cols = 200;
  std::vector<float> weights(static_cast<size_t>(rows * cols)), decoded(weights.size());
  EncodeOptions options;
  uint32_t state = 99;
  const auto next = [&state] { return static_cast<float>((state = state * 1664525u + 1013904223u) >> 8) * 0x1p-24f; };
  for (float& w : weights) w = next() - 0.5f;
  for (int64_t i = 0; i < cols; ++i) options.importance.push_back(next() * 10);
  const MatrixView matrix{weights.data(), DType::kF32, rows, cols};
  const EncodedMatrix one = FindCodec("int3")->Encode(matrix, options).value();
  ASSERT_EQ(FindCodec("int3")->Decode(one, 0, rows, decoded.data()), absl::OkStatus());
  double sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double error = double{weights[i]} - double{decoded[i]};
    sum += double{options.importance[i % static_cast<size_t>(cols)]} * error * error;
  }
  EXPECT_NEAR(one.weighted_error->ToDouble() / sum, 1, 1e-5);
  for (const int threads : {2, 3}) {
    options.threads = threads;
    const EncodedMatrix many = FindCodec("int3")->Encode(matrix, options).value();
    EXPECT_EQ(many.weighted_error, one.weighted_error);
    EXPECT_EQ(many.arrays[1].bytes, one.arrays[1].bytes);
  }
  options.importance.assign(static_cast<size_t>(cols), 1e30f);
  EXPECT_THAT(std::string(FindCodec("int3")->Encode(matrix, options).status().message()), HasSubstr("too large"));
}

TEST(IntegerImportance, RefusesWhatIsNoWeight) {
  const std::vector<float> weights(3 * 40, 0.25f);
  const MatrixView matrix{weights.data(), DType::kF32, 3, 40};
  for (const size_t columns : {size_t{1}, size_t{39}, size_t{41}, size_t{64}}) {
    EncodeOptions options{.group_size = 32};
    options.importance.assign(columns, 1.0f);
    EXPECT_THAT(std::string(FindCodec("int4")->Encode(matrix, options).status().message()), HasSubstr("40"));
  }
  for (const float bad : {-1e-30f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    EncodeOptions options{.group_size = 32};
    options.importance.assign(40, 1.0f);
    options.importance[33] = bad;
    EXPECT_THAT(std::string(FindCodec("int4")->Encode(matrix, options).status().message()), HasSubstr("column 33"));
  }
  EncodeOptions options{.group_size = 48};
  options.importance.assign(40, 1.0f);
  EXPECT_THAT(std::string(FindCodec("int4")->Encode(matrix, options).status().message()), HasSubstr("group size 48"));
}

// fp16(absmax / 2^(B-1)) is infinite from 65520 * 2^(B-1) on, and finite one unit below.
TEST(IntegerRefusal, AtTheOverflowOfTheScale) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    const std::string method = "int" + std::to_string(bits);
    const float limit = 65520.0f * static_cast<float>(1 << (bits - 1));
    std::vector<float> weights(4 * 64, 1.0f);
    const MatrixView matrix{weights.data(), DType::kF32, 2, 128};
    weights[128 + 70] = -std::nextafter(limit, 0.0f);
    EXPECT_TRUE(FindCodec(method)->Encode(matrix, {.group_size = 64}).ok()) << method;
    weights[128 + 70] = -limit;
    const auto refused = FindCodec(method)->Encode(matrix, {.group_size = 64});
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument) << method;
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("row 1, group 1"));
  }
}

}  // namespace
}  // namespace sub1quant
