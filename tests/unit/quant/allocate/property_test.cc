#include <gtest/gtest.h>

#include "quant/allocate/allocate.h"
#include "quant/allocate/pareto.h"
#include "random_table.h"

namespace sub1quant {
namespace {

constexpr double kRounding = 1e-12;

std::vector<std::string> MethodsOf(const Allocation& allocation) {
  std::vector<std::string> methods;
  for (const Candidate& candidate : allocation.chosen) methods.push_back(candidate.method);
  return methods;
}

TEST(AllocateProperty, AgreesWithTryingEverything) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const CandidateTable table =
        testing::RandomTable(random, 1 + static_cast<int>(random() % 6), 1 + static_cast<int>(random() % 5));
    AllocationOptions options;
    options.target_bpw = testing::RandomTarget(random, table);
    const auto best = AllocateExhaustive(table, options);
    const auto optimal = AllocateOptimal(table, options);
    const auto greedy = AllocateGreedy(table, options);
    ASSERT_TRUE(best.ok() && optimal.ok() && greedy.ok()) << best.status() << optimal.status() << greedy.status();
    EXPECT_NEAR(optimal->weighted_sse, best->weighted_sse, best->weighted_sse * kRounding);
    EXPECT_EQ(optimal->bound_gap, 0);
    EXPECT_LE(optimal->weighted_sse, greedy->weighted_sse);
    EXPECT_LE(greedy->bound_weighted_sse, best->weighted_sse * (1 + kRounding));
    const double limit = options.target_bpw * static_cast<double>(best->total_params) + 1e-9;
    for (const auto& allocation : {*best, *optimal, *greedy}) EXPECT_LE(allocation.total_bits, limit);
  }
}

TEST(AllocateProperty, HeapPicksWhatAFullScanPicks) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const CandidateTable table = testing::RandomTable(random, 5 + static_cast<int>(random() % 40), 5);
    AllocationOptions options;
    options.target_bpw = testing::RandomTarget(random, table);
    double total_bits = 0;
    const auto expected = testing::SlowGreedy(table, options.target_bpw, &total_bits);
    const auto got = AllocateGreedy(table, options);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(MethodsOf(*got), expected);
    EXPECT_EQ(got->total_bits, total_bits);
  }
}

// With next to no memory the search drops states: the bound must still hold and the choice must not get worse than the
// start.
TEST(AllocateProperty, CutSearchStillBoundsTheOptimum) {
  int cut = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const CandidateTable table = testing::RandomTable(random, 6, 4);
    AllocationOptions options;
    options.target_bpw = testing::RandomTarget(random, table);
    const auto best = AllocateExhaustive(table, options);
    const auto problem = allocate::MakeProblem(table);
    ASSERT_TRUE(best.ok() && problem.ok());
    const auto limit = allocate::BitLimit(*problem, options.target_bpw);
    ASSERT_TRUE(limit.ok());
    const auto outcome = allocate::SearchAround(*problem, allocate::Relax(*problem, *limit), *limit,
                                                allocate::Choice(table.rows.size(), 0), {0, 2});
    const double sse = allocate::TotalWeightedSse(*problem, outcome.choice);
    EXPECT_LE(outcome.bound, best->weighted_sse * (1 + kRounding));
    EXPECT_GE(sse, best->weighted_sse * (1 - kRounding));
    EXPECT_LE(allocate::TotalBits(*problem, outcome.choice), *limit);
    cut += outcome.bound < sse * (1 - kRounding);
  }
  EXPECT_GT(cut, 10) << "the limit never bit";
}

TEST(AllocateProperty, LargeTablesEndSoonAndClose) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const CandidateTable table = testing::RandomTable(random, 2000, 11);
    AllocationOptions options;
    options.target_bpw = 3.0 + 0.13 * static_cast<double>(seed);
    const auto greedy = AllocateGreedy(table, options);
    const auto optimal = AllocateOptimal(table, options);
    ASSERT_TRUE(greedy.ok() && optimal.ok());
    EXPECT_LE(optimal->weighted_sse, greedy->weighted_sse);
    EXPECT_GE(optimal->bound_weighted_sse, greedy->bound_weighted_sse);
    EXPECT_LT(optimal->bound_gap, 1e-3);
  }
}

}  // namespace
}  // namespace sub1quant
