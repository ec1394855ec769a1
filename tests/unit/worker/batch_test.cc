#include "worker/batch.h"

#include "gtest/gtest.h"

namespace sub1quant {
namespace {

using Stages = std::vector<std::string>;

TEST(BatchPlanner, BeforeItKnowsAnything) {
  const BatchPlanner planner;
  EXPECT_EQ(planner.Wish(), 8);
  EXPECT_EQ(planner.Keep(Stages(20, "search")), 8u);
  EXPECT_EQ(planner.Keep(Stages(20, "score_base")), 1u);
  EXPECT_EQ(planner.Keep({}), 0u);
  EXPECT_EQ(planner.Keep({"search", "score_base"}), 1u);
}

TEST(BatchPlanner, LearnsFromWhatRan) {
  BatchPlanner planner;
  planner.Ran("search", 0.001);
  EXPECT_EQ(planner.Wish(), BatchPlanner::kMaxTasks);
  EXPECT_EQ(planner.Keep(Stages(16, "search")), 16u);
  planner.Ran("search", 0);
  EXPECT_EQ(planner.Wish(), BatchPlanner::kMaxTasks);
  planner.Ran("score_base", 30);
  EXPECT_EQ(planner.Wish(), 1);
  planner.Ran("score_quantized", 0.5);
  EXPECT_EQ(planner.Wish(), 4);
}

// Search was cheap, so sixteen were asked for; scoring came.
TEST(BatchPlanner, OneSlowTaskIsEnough) {
  BatchPlanner planner;
  planner.Ran("search", 0.001);
  EXPECT_EQ(planner.Keep(Stages(16, "score_base")), 1u);
}

}  // namespace
}  // namespace sub1quant
