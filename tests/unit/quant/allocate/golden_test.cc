// The 202 tables of codec-golden/allocator.json: choices and sums to the last bit, optima found by trying everything.
#include <gtest/gtest.h>

#include <map>

#include "core/file.h"
#include "core/json.h"
#include "quant/allocate/allocate.h"

namespace sub1quant {
namespace {

CandidateTable TableOf(const Json& layers) {
  CandidateTable table;
  for (const Json& layer : layers) {
    TableRow row;
    row.index = layer.at("idx");
    row.key = layer.at("key");
    row.params = layer.at("params");
    row.activation_weight = layer.value("activation_weight", 1.0);
    for (const Json& candidate : layer.at("candidates"))
      row.candidates.push_back({candidate.at("method"), candidate.at("bpw"), candidate.at("mse")});
    table.rows.push_back(row);
  }
  return table;
}

struct GoldenCase {
  std::string name;
  CandidateTable table;
  AllocationOptions options;
  Json expect;
  Json optimal;  // null: infeasible or not known
};

std::vector<GoldenCase> LoadCases() {
  const auto text = ReadFile(SUB1QUANT_TESTDATA "/codec-golden/allocator.json");
  const auto json = text.ok() ? ParseJson(*text) : text.status();
  if (!json.ok()) {
    ADD_FAILURE() << json.status();
    return {};
  }
  std::map<std::string, Json> layers;
  for (const Json& entry : json->at("cases"))
    if (entry.contains("layers")) layers[entry.at("name")] = entry.at("layers");
  std::vector<GoldenCase> cases;
  for (const Json& entry : json->at("cases")) {
    GoldenCase golden;
    golden.name = entry.at("name");
    golden.table = TableOf(entry.contains("layers") ? entry.at("layers") : layers.at(entry.at("layers_of")));
    golden.options.target_bpw = entry.at("target_bpw");
    golden.options.prior_scores = entry.value("prior_scores", std::vector<double>());
    golden.options.prior_strength = entry.value("prior_strength", 0.0);
    golden.expect = entry.at("expect");
    golden.optimal = entry.value("optimal_weighted_sse", Json());
    cases.push_back(golden);
  }
  return cases;
}

TEST(AllocateGolden, GreedyIsThePublishedRuleToTheLastBit) {
  const auto cases = LoadCases();
  ASSERT_EQ(cases.size(), 202u);
  for (const GoldenCase& golden : cases) {
    SCOPED_TRACE(golden.name);
    const auto got = AllocateGreedy(golden.table, golden.options);
    if (golden.expect.contains("error")) {
      EXPECT_EQ(got.status().code(), absl::StatusCode::kFailedPrecondition) << got.status();
      continue;
    }
    ASSERT_TRUE(got.ok()) << got.status();
    std::vector<std::string> methods;
    for (const Candidate& candidate : got->chosen) methods.push_back(candidate.method);
    EXPECT_EQ(methods, golden.expect.at("methods").get<std::vector<std::string>>());
    EXPECT_EQ(got->total_bits, golden.expect.at("total_bits").get<double>());
    EXPECT_EQ(got->average_bpw, golden.expect.at("avg_bpw").get<double>());
    EXPECT_EQ(got->weighted_mse, golden.expect.at("weighted_mse").get<double>());
    EXPECT_EQ(got->method_counts, (golden.expect.at("method_counts").get<std::map<std::string, int64_t>>()));
  }
}

TEST(AllocateGolden, OptimalReachesTheOptimaFoundByTryingAll) {
  int compared = 0;
  for (const GoldenCase& golden : LoadCases()) {
    SCOPED_TRACE(golden.name);
    const auto optimal = AllocateOptimal(golden.table, golden.options);
    const auto greedy = AllocateGreedy(golden.table, golden.options);
    ASSERT_EQ(optimal.status().code(), greedy.status().code());
    if (!optimal.ok()) continue;
    AllocationOptions plain;
    plain.target_bpw = golden.options.target_bpw;
    EXPECT_LE(optimal->weighted_sse, AllocateGreedy(golden.table, plain)->weighted_sse);
    EXPECT_LE(optimal->weighted_sse, optimal->bound_weighted_sse * (1 + optimal->bound_gap) * (1 + 1e-12));
    EXPECT_LE(optimal->total_bits, golden.options.target_bpw * static_cast<double>(optimal->total_params) + 1e-9);
    if (golden.optimal.is_null()) continue;
    ++compared;
    const double best = golden.optimal;
    EXPECT_NEAR(optimal->weighted_sse, best, best * 1e-12);
    EXPECT_EQ(optimal->bound_gap, 0);
    for (const double bound : {optimal->bound_weighted_sse, greedy->bound_weighted_sse})
      EXPECT_LE(bound, best * (1 + 1e-12));
  }
  EXPECT_GT(compared, 150);
}

TEST(AllocateGolden, OptimalOnAWholeModelIsWithinAThousandthOfItsBound) {
  for (const GoldenCase& golden : LoadCases()) {
    if (golden.table.rows.size() < 100) continue;
    const auto optimal = AllocateOptimal(golden.table, golden.options);
    ASSERT_TRUE(optimal.ok()) << optimal.status();
    EXPECT_LT(optimal->bound_gap, 1e-3) << golden.name;
    RecordProperty(golden.name, std::to_string(optimal->bound_gap));
  }
}

}  // namespace
}  // namespace sub1quant
