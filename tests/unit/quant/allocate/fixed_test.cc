#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/file.h"
#include "core/json.h"
#include "quant/allocate/allocate.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

CandidateTable TwoMatrices() {
  CandidateTable table;
  table.rows = {{0, "a.weight", 1000, 1.0, {{"int4", 4, 0.01}, {"int2", 2, 0.25}}},
                {1, "b.weight", 3000, 2.0, {{"int2", 2, 0.5}, {"int4", 4, 0.02}}}};
  return table;
}

TEST(AllocateFixed, SumsAndBoundOfWhatWasAsked) {
  const auto got = AllocateFixed(TwoMatrices(), {"int4", "int2"});
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->chosen[0].method, "int4");
  EXPECT_EQ(got->chosen[1].method, "int2");
  EXPECT_EQ(got->total_bits, 10000);
  EXPECT_EQ(got->average_bpw, 2.5);
  EXPECT_EQ(got->target_bpw, 2.5);
  EXPECT_EQ(got->total_params, 4000);
  EXPECT_DOUBLE_EQ(got->weighted_sse, 0.01 * 1000 + 0.5 * 2 * 3000);
  EXPECT_DOUBLE_EQ(got->weighted_mse, got->weighted_sse / 4000);
  EXPECT_EQ(got->method_counts, (std::map<std::string, int64_t>{{"int2", 1}, {"int4", 1}}));
  // A third of the second matrix at int4 would have been the better use of 2000 bits.
  EXPECT_NEAR(got->bound_weighted_sse, 0.25 * 1000 + (3000 - 960), 1e-6);
  EXPECT_GT(got->bound_gap, 0.3);
}

TEST(AllocateFixed, UniformWithOneCandidateHasNoGap) {
  CandidateTable table = TwoMatrices();
  table.rows[0].candidates.pop_back();
  table.rows[1].candidates.erase(table.rows[1].candidates.begin());
  const auto got = AllocateFixed(table, {"int4", "int4"});
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->bound_gap, 0);
  EXPECT_EQ(got->bound_weighted_sse, got->weighted_sse);
}

TEST(AllocateFixed, PublishedMixHasThePublishedAverage) {
  const auto text = ReadFile(SUB1QUANT_TESTDATA "/codec-golden/published_average.json");
  ASSERT_TRUE(text.ok()) << text.status();
  const auto golden = ParseJson(*text);
  ASSERT_TRUE(golden.ok()) << golden.status();
  CandidateTable table;
  std::vector<std::string> methods;
  for (const Json& matrix : golden->at("matrices")) {
    const int64_t params = matrix.at("shape")[0].get<int64_t>() * matrix.at("shape")[1].get<int64_t>();
    methods.push_back(matrix.at("method"));
    const double bpw = matrix.at("bits").get<double>() / static_cast<double>(params);
    table.rows.push_back({matrix.at("idx"), matrix.at("key"), params, 1.0, {{methods.back(), bpw, 0.5}}});
  }
  const auto got = AllocateFixed(table, methods);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->total_params, 1895694336);
  EXPECT_EQ(got->total_bits, 7580860416.0);
  EXPECT_EQ(got->average_bpw, 3.9989887990043558);
  EXPECT_EQ(got->method_counts, (golden->at("method_counts").get<std::map<std::string, int64_t>>()));
}

TEST(AllocateFixed, MissingMethodIsNotFoundAndNamesTheMatrix) {
  const auto got = AllocateFixed(TwoMatrices(), {"int4", "int3"});
  EXPECT_EQ(got.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(got.status().message()), HasSubstr("'b.weight' has no candidate 'int3', only int2, int4"));
}

TEST(AllocateFixed, OneMethodForEveryMatrix) {
  EXPECT_EQ(AllocateFixed(TwoMatrices(), {"int4"}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sub1quant
