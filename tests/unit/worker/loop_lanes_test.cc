// The loop with several lanes: real threads, no time passes.
#include <latch>
#include <mutex>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/fakes.h"

namespace sub1quant::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ThreadedExecutor final : public Executor {
 public:
  std::function<absl::StatusOr<TaskResult>(int call, TaskContext& context)> body;
  std::atomic<int> calls{0};

  absl::StatusOr<TaskResult> Execute(const Task&, TaskContext& context) override { return body(++calls, context); }
  std::string LoadedModel() const override { return ""; }
};

struct LanesWorld {
  ManualClock clock;
  ManualPause work_pause{clock}, renew_pause{clock};
  CountingIds ids;
  FakeCoordinator server;
  ThreadedExecutor executor;
  RecordingMetrics metrics;
  WorkerLoop loop{{clock, work_pause, renew_pause, ids, server, executor, metrics}, {.lanes = 3}};
};

TEST(WorkerLoopLanes, TasksRunBesideOneAnotherAndAreReportedInTheirOrder) {
  LanesWorld world;
  for (int i = 0; i < 60; ++i) world.server.AddTask();
  std::latch together(3);
  world.executor.body = [&](int call, TaskContext&) {
    if (call <= 3) together.arrive_and_wait();
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.executor.calls, 60);
  ASSERT_THAT(world.server.completed, SizeIs(60));
  for (size_t i = 0; i < 60; ++i) EXPECT_EQ(world.server.completed[i], absl::StrCat("lease-", i + 1));
}

TEST(WorkerLoopLanes, DrainFinishesWhatHasBegunAndReleasesTheRest) {
  LanesWorld world;
  for (int i = 0; i < 5; ++i) world.server.AddTask();
  std::latch begun(3);
  world.executor.body = [&](int, TaskContext& context) {
    world.loop.Drain();
    begun.arrive_and_wait();
    EXPECT_FALSE(context.cancelled());
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  std::vector<std::string> all = world.server.completed;
  for (const std::vector<std::string>& released : world.server.released)
    all.insert(all.end(), released.begin(), released.end());
  EXPECT_THAT(all, SizeIs(5)) << "each is either finished or given back";
  EXPECT_THAT(world.server.completed, SizeIs(3)) << "a lane that is free takes no other";
}

TEST(WorkerLoopLanes, AbandonCancelsEveryLane) {
  LanesWorld world;
  for (int i = 0; i < 3; ++i) world.server.AddTask();
  std::latch begun(3);
  world.executor.body = [&](int call, TaskContext& context) -> absl::StatusOr<TaskResult> {
    begun.arrive_and_wait();
    if (call == 1) world.loop.Abandon();
    while (!context.cancelled()) std::this_thread::yield();
    return context.Check();
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_THAT(world.server.completed, IsEmpty());
  EXPECT_THAT(world.server.failed, IsEmpty());
}

TEST(WorkerLoopLanes, ExceptionsStayInTheirTask) {
  LanesWorld world;
  for (int i = 0; i < 4; ++i) world.server.AddTask();
  world.executor.body = [](int, TaskContext&) -> absl::StatusOr<TaskResult> { throw std::bad_alloc(); };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_THAT(world.server.failed, SizeIs(4));
}

}  // namespace
}  // namespace sub1quant::testing
