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

// Lease ids that were given back one by one. The fake server says drain as soon as it has no more tasks, while the last
// ones may still wait for a lane.
std::vector<std::string> Released(const FakeCoordinator& server) {
  std::vector<std::string> all;
  for (const std::vector<std::string>& released : server.released)
    all.insert(all.end(), released.begin(), released.end());
  return all;
}

TEST(WorkerLoopLanes, TasksRunBesideOneAnotherAndAreReportedInTheirOrder) {
  LanesWorld world;
  for (int i = 0; i < 60; ++i) world.server.AddTask();
  std::latch together(3);
  world.executor.body = [&](int call, TaskContext&) {
    if (call <= 3) together.arrive_and_wait();
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  const std::vector<std::string>& completed = world.server.completed;
  EXPECT_EQ(world.executor.calls, static_cast<int>(completed.size())) << "each once";
  EXPECT_EQ(completed.size() + Released(world.server).size(), 60u);
  EXPECT_GE(completed.size(), 58u);
  for (size_t i = 0; i < completed.size(); ++i) EXPECT_EQ(completed[i], absl::StrCat("lease-", i + 1));
}

TEST(WorkerLoopLanes, DrainFinishesWhatHasBegunAndReleasesTheRest) {
  LanesWorld world;
  for (int i = 0; i < 5; ++i) world.server.AddTask();
  std::latch begun(3);
  world.executor.body = [&](int, TaskContext& context) {
    begun.arrive_and_wait();
    world.loop.Drain();
    EXPECT_FALSE(context.cancelled());
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_THAT(Released(world.server), SizeIs(2));
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
  EXPECT_EQ(world.server.failed.size() + Released(world.server).size(), 4u);
  EXPECT_FALSE(world.server.failed.empty());
}

}  // namespace
}  // namespace sub1quant::testing
