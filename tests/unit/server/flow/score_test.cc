#include "server/flow/score.h"

#include <algorithm>
#include <map>
#include <set>

#include "gtest/gtest.h"
#include "tests/unit/server/flow/sample.h"

namespace sub1quant {
namespace {

const std::string kManifest(64, 'm');

TEST(PlanScore, EveryWindowOfEachProtocolOnce) {
  for (const double seconds : {1e-9, 0.01, 0.5, 100.0}) {
    Inspection inspection = SampleInspection();
    inspection.published_windows = 101;
    inspection.bos_windows = 1;
    inspection.window_seconds = seconds;
    std::map<bool, std::multiset<int64_t>> windows;
    for (const PlannedTask& planned : PlanScore(SampleJob(), inspection, kManifest)) {
      const auto& task = std::get<ScoreTask>(planned.task);
      EXPECT_LE(task.count, 32);
      EXPECT_EQ(planned.affinity, inspection.model_identity + "/" + kManifest);
      EXPECT_EQ(task.manifest_sha256, kManifest);
      for (int64_t i = 0; i < task.count; ++i) windows[task.bos_per_window].insert(task.first + i);
    }
    ASSERT_EQ(windows[false].size(), 101u);
    ASSERT_EQ(windows[true].size(), 1u);
    int64_t next = 0;
    for (const int64_t index : windows[false]) EXPECT_EQ(index, next++);
  }
}

TEST(PlanScore, RunsAreWorthAboutFiveSeconds) {
  Inspection inspection = SampleInspection();
  inspection.window_seconds = 0.5;  // ten windows, but a device's batches of four would be left open
  EXPECT_EQ(std::get<ScoreTask>(PlanScore(SampleJob(), inspection, "").front().task).count, 8);
  inspection.window_seconds = 60;
  EXPECT_EQ(std::get<ScoreTask>(PlanScore(SampleJob(), inspection, "").front().task).count, 4);
}

std::vector<ScoredTask> Answers(const std::vector<PlannedTask>& planned) {
  std::vector<ScoredTask> scored;
  for (const PlannedTask& p : planned) {
    ScoredTask s{std::get<ScoreTask>(p.task), {}};
    for (int64_t i = s.task.first; i < s.task.first + s.task.count; ++i) {
      WindowScore window{i, 511, s.task.bos_per_window ? 511 : 512, {}, {}};
      window.nll.Add(511.0 * (1 + static_cast<double>(i)));
      s.result.windows.push_back(window);
    }
    s.result.dtype = "float32";
    s.result.device = "cpu";
    s.result.seconds = 1;
    s.result.replaced = 3;
    scored.push_back(std::move(s));
  }
  return scored;
}

TEST(FoldScores, OrderOfAnswersDoesNotMatter) {
  const Inspection inspection = SampleInspection();
  std::vector<ScoredTask> scored = Answers(PlanScore(SampleJob(), inspection, kManifest));
  auto forward = FoldScores(inspection, SampleJob(), scored);
  std::reverse(scored.begin(), scored.end());
  auto backward = FoldScores(inspection, SampleJob(), scored);
  ASSERT_TRUE(forward.ok() && backward.ok()) << forward.status() << backward.status();
  EXPECT_EQ(forward->published->perplexity, backward->published->perplexity);
  EXPECT_EQ(forward->published->window_loss.size(), 20u);
  EXPECT_DOUBLE_EQ(forward->published->window_loss.at(7), 8);
  EXPECT_EQ(forward->replaced, 3);
  EXPECT_EQ(forward->seconds, static_cast<double>(scored.size()));
}

TEST(FoldScores, AMissingOrDoubledWindowIsAnError) {
  const Inspection inspection = SampleInspection();
  std::vector<ScoredTask> scored = Answers(PlanScore(SampleJob(), inspection, kManifest));
  scored.front().result.windows.pop_back();
  EXPECT_FALSE(FoldScores(inspection, SampleJob(), scored).ok());
  scored = Answers(PlanScore(SampleJob(), inspection, kManifest));
  scored.push_back(scored.front());
  EXPECT_FALSE(FoldScores(inspection, SampleJob(), scored).ok());
}

TEST(FoldScores, MixedComputeTypesAreRefused) {
  const Inspection inspection = SampleInspection();
  std::vector<ScoredTask> scored = Answers(PlanScore(SampleJob(), inspection, kManifest));
  scored.back().result.dtype = "bfloat16";
  EXPECT_EQ(FoldScores(inspection, SampleJob(), scored).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace sub1quant
