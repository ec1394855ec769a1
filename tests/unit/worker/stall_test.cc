// A task that never comes back ends the process that has it; one that is merely slow does not.
#include "core/parallel.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/fakes.h"

namespace sub1quant::testing {
namespace {

using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Time passes as it does for the renewing thread: a look every second.
void Pass(LoopWorld& world, milliseconds time) {
  for (milliseconds passed{0}; passed < time; passed += seconds(1)) {
    world.clock.Advance(seconds(1));
    world.loop.RenewDue();
    world.loop.CheckStall();
  }
}

TEST(Stall, TheTaskIsReportedTheRestIsReleasedAndTheProcessEnds) {
  LoopWorld world;
  world.server.AddTask();
  world.server.AddTask();
  world.executor.body = [&](int, TaskContext& context) {
    Pass(world, seconds(59));
    EXPECT_EQ(world.stalls, 0);
    EXPECT_FALSE(context.cancelled());
    Pass(world, seconds(1));
    EXPECT_EQ(world.stalls, 1);
    EXPECT_THAT(world.server.failed, SizeIs(1));
    EXPECT_THAT(world.server.released, ElementsAre(IsEmpty())) << "all that the session still holds";
    EXPECT_THAT(world.server.exits, ElementsAre("stalled"));
    EXPECT_TRUE(context.cancelled());
    world.loop.Drain();
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.server.failed[0].first, "lease-1");
  EXPECT_TRUE(absl::IsDeadlineExceeded(world.server.failed[0].second)) << "charged: a task that always hangs must end";
  EXPECT_THAT(std::string(world.server.failed[0].second.message()), HasSubstr("no progress"));
  EXPECT_THAT(world.server.completed, IsEmpty());
  EXPECT_EQ(world.stalls, 1);
}

TEST(Stall, ProgressStartsTheTimeAnew) {
  LoopWorld world;
  world.server.AddTask();
  world.executor.body = [&](int, TaskContext& context) {
    for (int i = 1; i <= 5; ++i) {
      Pass(world, seconds(59));
      context.SetProgress(0.1 * i);
    }
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.stalls, 0);
  EXPECT_THAT(world.server.completed, SizeIs(1));
}

// Reading, computing and waiting for a disk say so themselves (core/heartbeat.h).
TEST(Stall, WorkIsASignOfLifeAndSoIsTheSyncOfAFile) {
  LoopWorld world;
  world.server.AddTask();
  world.executor.body = [&](int, TaskContext& context) {
    EXPECT_EQ(Heartbeat::OfThread(), &context.heartbeat());
    EXPECT_TRUE(ParallelFor(1, 5, [&](int64_t) {
                  Pass(world, seconds(59));
                  return absl::OkStatus();
                }).ok());
    const Heartbeat::Rest rest;
    Pass(world, minutes(20));
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.stalls, 0);
  EXPECT_THAT(world.server.completed, SizeIs(1));
}

TEST(Stall, ALongTaskHasThreeTimesWhatIsExpected) {
  LoopWorld world;
  world.server.AddTask(Task(SearchTask()), /*expected_seconds=*/1000);
  world.executor.body = [&](int, TaskContext&) {
    Pass(world, seconds(2999));
    EXPECT_EQ(world.stalls, 0);
    Pass(world, seconds(1));
    EXPECT_EQ(world.stalls, 1);
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
}

TEST(Stall, TasksOneAfterAnotherAreNotOneLongTask) {
  LoopWorld world;
  for (int i = 0; i < 5; ++i) world.server.AddTask();
  world.executor.body = [&](int, TaskContext&) {
    Pass(world, seconds(59));
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.stalls, 0);
  Pass(world, minutes(60));
  EXPECT_EQ(world.stalls, 0) << "nothing runs";
}

// SIGSTOP, then SIGCONT: the clock has gone on, nobody has worked or looked.
TEST(Stall, APausedProcessHasNotStoodStill) {
  LoopWorld world;
  world.server.AddTask();
  world.executor.body = [&](int, TaskContext&) {
    Pass(world, seconds(30));
    world.clock.Advance(std::chrono::hours(8));
    Pass(world, seconds(20));
    EXPECT_EQ(world.stalls, 0);
    Pass(world, seconds(11));  // a second went with the gap
    EXPECT_EQ(world.stalls, 1) << "the time before and after does count";
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
}

// Its lease went with its job; the thread is lost all the same.
TEST(Stall, ATaskOfACancelledJobThatDoesNotStopEndsTheProcessUnreported) {
  LoopWorld world;
  world.server.AddTask();
  world.executor.body = [&](int, TaskContext&) {
    world.server.lost.insert("lease-1");
    Pass(world, minutes(1));
    EXPECT_EQ(world.stalls, 1);
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_THAT(world.server.failed, IsEmpty());
}

// Several tasks beside one another, without the loop.
class StallOfMany : public ::testing::Test {
 protected:
  StallWatch::Running Task(const std::string& id, double expected_seconds = 0) {
    const auto [at, is_new] = contexts_.try_emplace(id, std::make_shared<TaskContext>());
    return {id, id, "search", expected_seconds, at->second};
  }
  Heartbeat& LifeOf(const std::string& id) { return contexts_.at(id)->heartbeat(); }
  // Whom the watch gives up within so many seconds of silence, and when: "hung 60", or "".
  std::string Silence(int most) {
    for (int i = 1; i <= most; ++i) {
      clock_.Advance(seconds(1));
      if (beating_ != nullptr) beating_->Beat();
      if (const auto stalled = watch_.Look(clock_.Now())) return absl::StrCat(stalled->lease_id, " ", i);
    }
    return "";
  }

  ManualClock clock_;
  StallWatch watch_{minutes(1)};
  std::map<std::string, std::shared_ptr<TaskContext>> contexts_;
  Heartbeat* beating_ = nullptr;
};

// It waits for threads, or for a model that has to have the machine for itself.
TEST_F(StallOfMany, WhoWaitsForAWorkingTaskDoesNotStandStill) {
  watch_.Begin(Task("a waits"), clock_.Now());
  watch_.Begin(Task("b works"), clock_.Now());
  beating_ = &LifeOf("b works");
  EXPECT_EQ(Silence(3600), "");
  beating_ = nullptr;
  EXPECT_EQ(Silence(59), "");
  EXPECT_NE(Silence(1), "");
}

TEST_F(StallOfMany, AHungStepIsFoundBesideWorkingTasksAndBeforeThoseThatWaitForIt) {
  watch_.Begin(Task("a waits"), clock_.Now());
  watch_.Begin(Task("b hangs"), clock_.Now());
  watch_.Begin(Task("c works"), clock_.Now());
  const Heartbeat::Adopt adopt(&LifeOf("b hangs"));
  const Heartbeat::Step step;
  beating_ = &LifeOf("c works");
  EXPECT_EQ(Silence(3600), "b hangs 61") << "the step began after the task";
}

TEST_F(StallOfMany, WhoWaitsForALongStepIsAsPatientAsThatTask) {
  watch_.Begin(Task("a waits"), clock_.Now());
  watch_.Begin(Task("b computes", /*expected_seconds=*/1000), clock_.Now());
  const Heartbeat::Adopt adopt(&LifeOf("b computes"));
  const Heartbeat::Step step;
  EXPECT_EQ(Silence(3600), "b computes 3001");
}

}  // namespace
}  // namespace sub1quant::testing
