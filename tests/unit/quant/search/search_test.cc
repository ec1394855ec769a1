#include "quant/search/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>

#include "tests/support/codec_cases.h"

namespace sub1quant {
namespace {

using golden::Codecs;
using testing::HasSubstr;

TEST(Search, GoldenSums) {
  int checked = 0;
  for (const auto& entry : Codecs().json.at("cases")) {
    if (golden::IsSkipped(entry)) continue;
    SCOPED_TRACE(entry.at("name").get<std::string>());
    std::vector<std::string> methods;
    for (const auto& format : entry.at("formats").items()) methods.push_back(format.key());
    const auto rows = SearchMatrix(Codecs().InputOf(entry), entry.at("group_size"), methods, 1);
    ASSERT_TRUE(rows.ok()) << rows.status();
    ASSERT_EQ(rows->size(), methods.size());
    for (size_t i = 0; i < methods.size(); ++i) {
      const auto& want = entry.at("formats").at(methods[i]);
      EXPECT_EQ((*rows)[i].method, methods[i]);
      EXPECT_EQ((*rows)[i].bits, want.at("bits").get<int64_t>());
      EXPECT_EQ((*rows)[i].error.ToHex(), want.at("sse_2e60").get<std::string>()) << methods[i];
      ++checked;
    }
  }
  EXPECT_EQ(checked, 416);
}

// Any order, any subset, repeated: each row is what its codec reports, for any number of threads.
TEST(Search, EqualsEncodingForAnyMethodsAndThreads) {
  std::mt19937 random(3);
  std::student_t_distribution<float> values(4);
  const int64_t rows = 1111, cols = 190;
  std::vector<float> weights(static_cast<size_t>(rows * cols));
  for (float& w : weights) w = values(random) * 0.02f;
  const MatrixView matrix{weights.data(), DType::kF32, rows, cols};
  const std::vector<std::vector<std::string>> requests = {
      PublishedMethods(),
      {"groupwise_int4", "int2_error_budget_k8", "int2_error_budget_k3", "int2_error_budget_k8", "int2_base"},
      {"int2_error_budget_k32"},
      {"int2_binary_residual"},
      {"int2_error_budget_k17", "groupwise_int4", "groupwise_int4"},
      {"int8", "int2_base", "int5", "groupwise_int4", "int8"}};
  for (int group_size : {32, 64, 128, 256}) {
    for (const auto& methods : requests) {
      const auto one = SearchMatrix(matrix, group_size, methods, 1);
      ASSERT_TRUE(one.ok()) << one.status();
      for (size_t i = 0; i < methods.size(); ++i) {
        const auto encoded = FindCodec(methods[i])->Encode(matrix, {.group_size = group_size, .threads = 2});
        ASSERT_TRUE(encoded.ok());
        EXPECT_EQ((*one)[i].error, encoded->error) << methods[i] << " " << group_size;
      }
      for (int threads : {2, 3, 7}) EXPECT_EQ(SearchMatrix(matrix, group_size, methods, threads).value(), *one);
    }
  }
}

// Rows as a file gives them: into the caller's memory, one block after another, from several threads.
class Rows final : public RowReader {
 public:
  Rows(const MatrixView& matrix, int64_t unreadable = -1) : matrix_(matrix), unreadable_(unreadable) {}
  absl::Status Read(int64_t first, int64_t count, void* out) override {
    if (first <= unreadable_ && unreadable_ < first + count) return absl::UnavailableError("the disk is gone");
    const int64_t row = matrix_.cols * 4;
    std::memcpy(out, static_cast<const char*>(matrix_.data) + first * row, static_cast<size_t>(count * row));
    return absl::OkStatus();
  }
  MatrixView view() { return {nullptr, matrix_.dtype, matrix_.rows, matrix_.cols, this}; }

 private:
  const MatrixView matrix_;
  const int64_t unreadable_;
};

TEST(Search, RowsThatAreReadOneBlockAtATime) {
  std::mt19937 random(5);
  std::student_t_distribution<float> values(4);
  for (const auto& [rows, cols] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {3, 70'000}, {1111, 190}, {5, 128}}) {
    std::vector<float> weights(static_cast<size_t>(rows * cols));
    for (float& w : weights) w = values(random) * 0.02f;
    const MatrixView matrix{weights.data(), DType::kF32, rows, cols};
    Rows reader(matrix);
    for (const int threads : {1, 3}) {
      EXPECT_EQ(SearchMatrix(reader.view(), 128, PublishedMethods(), threads).value(),
                SearchMatrix(matrix, 128, PublishedMethods(), threads).value());
      for (const std::string& method : PublishedMethods()) {
        const EncodedMatrix streamed = FindCodec(method)->Encode(reader.view(), {.threads = threads}).value();
        const EncodedMatrix whole = FindCodec(method)->Encode(matrix, {.threads = threads}).value();
        EXPECT_EQ(streamed.error, whole.error);
        ASSERT_EQ(streamed.arrays.size(), whole.arrays.size());
        for (size_t i = 0; i < whole.arrays.size(); ++i) EXPECT_EQ(streamed.arrays[i].bytes, whole.arrays[i].bytes);
      }
    }
    Rows broken(matrix, rows - 1);
    EXPECT_EQ(SearchMatrix(broken.view(), 128, PublishedMethods(), 2).status(),
              absl::UnavailableError("the disk is gone"));
  }
}

TEST(Search, GoldenRefusals) {
  for (const auto& entry : Codecs().json.at("refusals")) {
    SCOPED_TRACE(entry.at("name").get<std::string>());
    const auto refused_by = entry.at("refused_by").get<std::set<std::string>>();
    const std::string why = entry.at("why");
    for (const std::string& method : PublishedMethods()) {
      const auto rows = SearchMatrix(Codecs().InputOf(entry), entry.at("group_size"), {method}, 1);
      EXPECT_EQ(rows.ok(), refused_by.count(method) == 0) << method;
      if (rows.ok()) continue;
      EXPECT_THAT(std::string(rows.status().message()), HasSubstr(method + ": "));
      EXPECT_THAT(std::string(rows.status().message()), HasSubstr(why.substr(why.find("row "))));
    }
    const auto all = SearchMatrix(Codecs().InputOf(entry), entry.at("group_size"), PublishedMethods(), 1);
    EXPECT_EQ(all.ok(), refused_by.empty());
  }
}

TEST(Search, RefusesWhatItCannotDo) {
  const std::vector<float> weights(64, 1.0f);
  const MatrixView matrix{weights.data(), DType::kF32, 2, 32};
  EXPECT_THAT(std::string(SearchMatrix(matrix, 32, {"int2_base", "int5_odd"}, 1).status().message()),
              HasSubstr("int5_odd"));
  EXPECT_EQ(SearchMatrix(matrix, 32, {}, 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SearchMatrix(matrix, 48, PublishedMethods(), 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(SearchMatrix(matrix, 32, {"int2_error_budget_k33"}, 1).status().message()),
              HasSubstr("int2_error_budget_k33"));
  EXPECT_FALSE(SearchMatrix({weights.data(), DType::kF32, 0, 32}, 32, PublishedMethods(), 1).ok());
}

}  // namespace
}  // namespace sub1quant
