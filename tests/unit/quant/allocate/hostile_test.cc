#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "quant/allocate/allocate.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

CandidateTable OneMatrix() {
  CandidateTable table;
  table.rows = {{3, "a.weight", 1000, 1.0, {{"int2", 2, 0.25}, {"int4", 4, 0.01}}}};
  return table;
}

void ExpectRefused(const std::function<void(CandidateTable&, AllocationOptions&)>& damage, const std::string& why) {
  CandidateTable table = OneMatrix();
  AllocationOptions options;
  damage(table, options);
  for (const auto& got : {AllocateGreedy(table, options), AllocateOptimal(table, options)}) {
    EXPECT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument) << got.status();
    EXPECT_THAT(std::string(got.status().message()), HasSubstr(why));
  }
}

TEST(AllocateHostile, NumbersThatAreNone) {
  const double nan = std::nan(""), infinite = std::numeric_limits<double>::infinity();
  ExpectRefused([&](auto& t, auto&) { t.rows[0].candidates[0].mse = nan; }, "matrix 3 'a.weight': int2");
  ExpectRefused([&](auto& t, auto&) { t.rows[0].candidates[1].bpw = infinite; }, "int4: bpw inf");
  ExpectRefused([&](auto& t, auto&) { t.rows[0].candidates[1].bpw = -1; }, "bpw -1");
  ExpectRefused([&](auto& t, auto&) { t.rows[0].activation_weight = nan; }, "activation weight");
  ExpectRefused([&](auto& t, auto&) { t.rows[0].activation_weight = -1; }, "activation weight -1");
  ExpectRefused([&](auto&, auto& o) { o.target_bpw = nan; }, "target");
  ExpectRefused([&](auto&, auto& o) { o.target_bpw = 0; }, "target");
}

TEST(AllocateHostile, SizesThatAreNone) {
  ExpectRefused([](auto& t, auto&) { t.rows.clear(); }, "no matrix");
  ExpectRefused([](auto& t, auto&) { t.rows[0].candidates.clear(); }, "no candidate");
  ExpectRefused([](auto& t, auto&) { t.rows[0].params = 0; }, "0 weights");
  ExpectRefused([](auto& t, auto&) { t.rows[0].params = -5; }, "-5 weights");
  ExpectRefused(
      [](auto& t, auto&) {
        t.rows[0].params = std::numeric_limits<int64_t>::max();
        t.rows.push_back(t.rows[0]);
      },
      "2^63");
  ExpectRefused([](auto& t, auto&) { t.rows[0].candidates[0].bpw = t.rows[0].candidates[1].bpw = 1e308; },
                "range of a double");
}

TEST(AllocateHostile, PriorsThatDoNotFit) {
  CandidateTable table = OneMatrix();
  AllocationOptions options;
  options.prior_scores = {1, 2};
  EXPECT_THAT(std::string(AllocateGreedy(table, options).status().message()),
              HasSubstr("2 prior scores for 1 matrices"));
  options.prior_scores = {std::nan("")};
  EXPECT_FALSE(AllocateGreedy(table, options).ok());
  options.prior_scores = {1};
  options.prior_strength = -1;
  EXPECT_THAT(std::string(AllocateGreedy(table, options).status().message()), HasSubstr("strength -1"));
}

TEST(AllocateHostile, InfeasibleNamesBothNumbers) {
  AllocationOptions options;
  options.target_bpw = 1.5;
  for (const auto& got : {AllocateGreedy(OneMatrix(), options), AllocateOptimal(OneMatrix(), options),
                          AllocateExhaustive(OneMatrix(), options)}) {
    EXPECT_EQ(got.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(got.status().message()), HasSubstr("target of 1.5 bits per weight is below 2,"));
  }
}

TEST(AllocateHostile, ExhaustiveRefusesWhatWouldNotEnd) {
  CandidateTable table;
  for (int i = 0; i < 25; ++i) table.rows.push_back(OneMatrix().rows[0]);
  EXPECT_EQ(AllocateExhaustive(table, {}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sub1quant
