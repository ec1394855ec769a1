// A task that never comes back ends the process that has it; one that is merely slow does not.
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
    Pass(world, minutes(10) - seconds(1));
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
      Pass(world, minutes(9));
      context.SetProgress(0.1 * i);
    }
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
    Pass(world, minutes(9));
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
    Pass(world, minutes(5));
    world.clock.Advance(std::chrono::hours(8));
    Pass(world, minutes(4));
    EXPECT_EQ(world.stalls, 0);
    Pass(world, minutes(1) + seconds(1));  // a second went with the gap
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
    Pass(world, minutes(10));
    EXPECT_EQ(world.stalls, 1);
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_THAT(world.server.failed, IsEmpty());
}

}  // namespace
}  // namespace sub1quant::testing
