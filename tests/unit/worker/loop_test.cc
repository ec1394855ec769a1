#include "worker/loop.h"

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/fakes.h"

namespace sub1quant::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(WorkerLoop, FinishesEveryTaskOfABatchUnderItsOwnLease) {
  LoopWorld world;
  for (int i = 0; i < 3; ++i) world.server.AddTask();
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_THAT(world.server.completed, ElementsAre("lease-1", "lease-2", "lease-3"));
  EXPECT_EQ(world.server.calls["acquire"], 2);
  EXPECT_THAT(world.metrics.ended, ElementsAre("search done", "search done", "search done"));
  EXPECT_THAT(world.server.released, ElementsAre(IsEmpty())) << "on the way out: all of the session";
  EXPECT_THAT(world.server.exits, ElementsAre("drained"));
}

TEST(WorkerLoop, RenewsAtAThirdOfTheTimeToLiveAndNotBefore) {
  LoopWorld world;
  world.server.AddTask();
  world.executor.body = [&](int, TaskContext& context) {
    context.SetProgress(0.25);
    world.clock.Advance(milliseconds(9'999));
    world.loop.RenewDue();
    EXPECT_EQ(world.server.calls["renew"], 0);
    world.clock.Advance(milliseconds(1));
    world.loop.RenewDue();
    EXPECT_EQ(world.server.calls["renew"], 1);
    world.loop.RenewDue();
    EXPECT_EQ(world.server.calls["renew"], 1) << "renewed just now";
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  ASSERT_THAT(world.server.renewals, SizeIs(1));
  EXPECT_EQ(world.server.renewals[0].at(0).lease_id, "lease-1");
  EXPECT_EQ(world.server.renewals[0].at(0).progress, 0.25);
}

TEST(WorkerLoop, RenewsTheWholeBatchWhileItsFirstTaskRuns) {
  LoopWorld world;
  world.server.AddTask();
  world.server.AddTask();
  world.executor.body = [&](int call, TaskContext&) {
    if (call == 1) {
      world.clock.Advance(seconds(10));
      world.loop.RenewDue();
    }
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  ASSERT_THAT(world.server.renewals, SizeIs(1));
  EXPECT_THAT(world.server.renewals[0], SizeIs(2));
}

TEST(WorkerLoop, DrainFinishesTheCurrentTaskAndReleasesTheOthersUntouched) {
  LoopWorld world;
  for (int i = 0; i < 3; ++i) world.server.AddTask();
  world.executor.body = [&](int, TaskContext& context) {
    world.loop.Drain();
    EXPECT_FALSE(context.cancelled());
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.executor.calls, 1);
  EXPECT_THAT(world.server.completed, ElementsAre("lease-1"));
  EXPECT_THAT(world.server.released, ElementsAre(ElementsAre("lease-2", "lease-3"), IsEmpty()));
  EXPECT_TRUE(world.server.stopped) << "a waiting Acquire must end";
}

TEST(WorkerLoop, AbandonCancelsTheCurrentTaskReleasesAllAndPublishesNothing) {
  LoopWorld world;
  world.server.AddTask();
  world.server.AddTask();
  world.executor.body = [&](int, TaskContext& context) {
    world.loop.Abandon();
    EXPECT_TRUE(context.cancelled());
    EXPECT_THAT(world.server.released, ElementsAre(IsEmpty())) << "released before the executor has come back";
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.executor.calls, 1);
  EXPECT_THAT(world.server.completed, IsEmpty());
  EXPECT_THAT(world.server.failed, IsEmpty());
}

TEST(WorkerLoop, AServerThatAsksForItDrainsTheWorkerThroughARenewal) {
  LoopWorld world;
  world.server.AddTask();
  world.server.AddTask();
  world.server.drain_in_renewal = true;
  world.executor.body = [&](int, TaskContext&) {
    world.clock.Advance(seconds(10));
    world.loop.RenewDue();
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_THAT(world.server.completed, ElementsAre("lease-1"));
}

TEST(WorkerLoop, DrainedBeforeItBeganItAsksForNothing) {
  LoopWorld world;
  world.server.AddTask();
  world.loop.Drain();
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.server.calls["acquire"], 0);
}

TEST(WorkerLoop, MoreExpensiveTasksThanItCanBeginGoBackAtOnce) {
  LoopWorld world;
  for (int i = 0; i < 3; ++i) world.server.AddTask(Task(ScoreTask()));
  world.executor.body = [&](int, TaskContext&) {
    EXPECT_THAT(world.server.released, ElementsAre(ElementsAre("lease-2", "lease-3")));
    world.clock.Advance(seconds(10));
    world.loop.RenewDue();
    EXPECT_THAT(world.server.renewals.back(), SizeIs(1));
    return TaskResult(ScoreResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_THAT(world.server.completed, ElementsAre("lease-1"));
}

// The two real threads and the real pause; no time passes.
TEST(WorkerLoop, BothThreadsEnd) {
  const std::unique_ptr<Clock> clock = NewSystemClock();
  const std::unique_ptr<Pause> work_pause = NewSystemPause(), renew_pause = NewSystemPause();
  CountingIds ids;
  FakeCoordinator server;
  FakeExecutor executor;
  RecordingMetrics metrics;
  for (int i = 0; i < 100; ++i) server.AddTask();
  WorkerLoop loop({*clock, *work_pause, *renew_pause, ids, server, executor, metrics}, {});
  std::thread renew([&] { loop.RunRenewals(); });
  EXPECT_TRUE(loop.RunWork().ok());
  renew.join();
  EXPECT_THAT(server.completed, SizeIs(100));
}

}  // namespace
}  // namespace sub1quant::testing
