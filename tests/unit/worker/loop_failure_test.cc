// What goes wrong between a worker and its server, and inside a task.
#include <new>
#include <stdexcept>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/fakes.h"

namespace sub1quant::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(WorkerLoopFailure, ALostLeaseCancelsTheTaskAndNothingOfItIsReported) {
  LoopWorld world;
  world.server.AddTask();
  world.server.AddTask();
  world.executor.body = [&](int call, TaskContext& context) -> absl::StatusOr<TaskResult> {
    if (call == 1) {
      world.server.lost.insert("lease-1");
      world.clock.Advance(seconds(10));
      world.loop.RenewDue();
      EXPECT_TRUE(context.cancelled());
    } else {
      EXPECT_FALSE(context.cancelled());
    }
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.server.calls["complete"], 1) << "of the other task";
  EXPECT_THAT(world.server.completed, ElementsAre("lease-2"));
  EXPECT_THAT(world.metrics.ended, ElementsAre("search lost", "search done"));
}

TEST(WorkerLoopFailure, ALeaseLostBeforeItsTaskBeganIsNotBegun) {
  LoopWorld world;
  world.server.AddTask();
  world.server.AddTask();
  world.executor.body = [&](int, TaskContext&) {
    world.server.lost.insert("lease-2");
    world.clock.Advance(seconds(10));
    world.loop.RenewDue();
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.executor.calls, 1);
}

TEST(WorkerLoopFailure, ALateCompletionIsDropped) {
  LoopWorld world;
  world.server.AddTask();
  world.server.lost.insert("lease-1");  // expired; no renewal told us
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.server.calls["complete"], 1);
  EXPECT_THAT(world.metrics.ended, ElementsAre("search lost"));
}

TEST(WorkerLoopFailure, AResultWaitsForAServerThatIsAway) {
  LoopWorld world;
  world.server.AddTask();
  world.server.AddTask();
  world.executor.body = [&](int call, TaskContext& context) {
    if (call == 1) world.server.up = false;
    world.clock.Advance(seconds(20));
    world.loop.RenewDue();
    EXPECT_FALSE(context.cancelled()) << "goes on computing";
    return TaskResult(SearchResult());
  };
  world.work_pause.on_wait = [&] {
    if (world.work_pause.waits.size() == 3) world.server.up = true;
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.executor.calls, 2) << "the second of the batch is computed meanwhile, nothing twice";
  EXPECT_THAT(world.server.completed, ElementsAre("lease-1", "lease-2"));
  EXPECT_THAT(world.metrics.reachable, Contains(false));
  EXPECT_TRUE(world.metrics.reachable.back());
}

TEST(WorkerLoopFailure, WithoutAnyAnswerALeaseEndsAtTwoTimesToLiveAndNotBefore) {
  LoopWorld world;
  world.server.AddTask();
  world.executor.body = [&](int, TaskContext& context) {
    world.server.up = false;
    world.clock.Advance(2 * FakeCoordinator::kTtl - milliseconds(1));
    world.loop.RenewDue();
    EXPECT_FALSE(context.cancelled());
    world.clock.Advance(milliseconds(1));
    world.loop.RenewDue();
    EXPECT_TRUE(context.cancelled());
    world.server.up = true;
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_THAT(world.server.completed, IsEmpty());
}

TEST(WorkerLoopFailure, ALostAnswerToCompleteIsAskedForAgain) {
  LoopWorld world;
  world.server.AddTask();
  world.executor.body = [&](int, TaskContext&) {
    world.server.lose_replies = 2;
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.server.calls["complete"], 3);
  EXPECT_THAT(world.server.completed, ElementsAre("lease-1"));
  EXPECT_THAT(world.metrics.ended, ElementsAre("search done"));
}

TEST(WorkerLoopFailure, ALostAnswerToAcquireIsAskedForAgainUnderTheSameRequest) {
  LoopWorld world;
  world.server.AddTask();
  world.server.AddTask();
  world.server.lose_replies = 1;
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_THAT(world.server.completed, ElementsAre("lease-1", "lease-2")) << "another request id would have lost both";
}

TEST(WorkerLoopFailure, WaitsForAServerGrowWithJitterUpToFiveSeconds) {
  LoopWorld world;
  world.server.AddTask();
  world.server.up = false;
  world.work_pause.on_wait = [&] {
    if (world.work_pause.waits.size() == 50) world.server.up = true;
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_THAT(world.server.completed, SizeIs(1));
  for (size_t i = 0; i < 50; ++i) {
    const int64_t full = i > 4 ? 5'000 : 200 << i;
    EXPECT_GE(world.work_pause.waits[i].count(), full / 2 - 1) << i;
    EXPECT_LE(world.work_pause.waits[i].count(), full) << i;
  }
}

TEST(WorkerLoopFailure, ARefusalThatNoRetryChangesEndsTheWorker) {
  LoopWorld world;
  world.server.refuse_acquire = absl::FailedPreconditionError("protocol 1 is not spoken here, 2 is");
  const absl::Status status = world.loop.RunWork();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(world.server.calls["acquire"], 1);
  EXPECT_THAT(world.server.exits, ElementsAre("refused"));
}

TEST(WorkerLoopFailure, AFailedTaskIsReportedWithItsCodeAndTheWorkerGoesOn) {
  LoopWorld world;
  world.server.AddTask();
  world.server.AddTask();
  world.executor.body = [](int call, TaskContext&) -> absl::StatusOr<TaskResult> {
    if (call == 1) return absl::InvalidArgumentError("row 3, column 5: NaN");
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  ASSERT_THAT(world.server.failed, SizeIs(1));
  EXPECT_EQ(world.server.failed[0].first, "lease-1");
  EXPECT_EQ(world.server.failed[0].second, absl::InvalidArgumentError("row 3, column 5: NaN"));
  EXPECT_THAT(world.server.completed, ElementsAre("lease-2"));
  EXPECT_THAT(world.work_pause.waits, SizeIs(1)) << "a worker that fails fast must not eat the queue";
}

TEST(WorkerLoopFailure, AnUnreachableStoreGivesTheTaskBackUncharged) {
  LoopWorld world;
  world.server.AddTask();
  world.executor.body = [](int, TaskContext&) -> absl::StatusOr<TaskResult> {
    return absl::UnavailableError("blob store");
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_THAT(world.server.failed, IsEmpty());
  EXPECT_THAT(world.server.released, ElementsAre(ElementsAre("lease-1"), IsEmpty()));
}

// Each task of the batch would be computed for nothing, and others could have them.
TEST(WorkerLoopFailure, AnUnreachableStoreGivesTheRestOfTheBatchBackUntouched) {
  LoopWorld world;
  for (int i = 0; i < 4; ++i) world.server.AddTask();
  world.executor.body = [](int call, TaskContext&) -> absl::StatusOr<TaskResult> {
    if (call == 2) return absl::UnavailableError("no room");
    return TaskResult(SearchResult());
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.executor.calls, 2);
  EXPECT_THAT(world.server.failed, IsEmpty());
  EXPECT_THAT(world.server.released, ElementsAre(ElementsAre("lease-2"), ElementsAre("lease-3", "lease-4"), IsEmpty()));
  EXPECT_THAT(world.work_pause.waits, SizeIs(1)) << "before it asks for more";
}

// The disk of a server is full: the result waits here, under its lease, and nothing is charged or computed again.
TEST(WorkerLoopFailure, AResultWaitsForAServerWithoutRoom) {
  LoopWorld world;
  world.server.AddTask();
  world.executor.body = [&](int, TaskContext&) {
    world.server.full = true;
    return TaskResult(SearchResult());
  };
  world.work_pause.on_wait = [&] {
    world.loop.RenewDue();
    if (world.work_pause.waits.size() == 20) world.server.full = false;
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.executor.calls, 1);
  EXPECT_THAT(world.server.failed, IsEmpty());
  EXPECT_THAT(world.server.completed, ElementsAre("lease-1"));
  ASSERT_THAT(world.metrics.reachable, SizeIs(::testing::Ge(20u)));
  const std::vector<bool> meanwhile(world.metrics.reachable.begin() + 1, world.metrics.reachable.end() - 2);
  EXPECT_THAT(meanwhile, ::testing::Not(Contains(true))) << "renewals are answered, and say nothing about room";
  EXPECT_TRUE(world.metrics.reachable.back());
}

TEST(WorkerLoopFailure, ExceptionsAreFailuresOfTheTask) {
  LoopWorld world;
  world.server.AddTask();
  world.server.AddTask();
  world.executor.body = [](int call, TaskContext&) -> absl::StatusOr<TaskResult> {
    if (call == 1) throw std::bad_alloc();
    throw std::runtime_error("kernel");
  };
  EXPECT_TRUE(world.loop.RunWork().ok());
  ASSERT_THAT(world.server.failed, SizeIs(2));
  EXPECT_TRUE(absl::IsResourceExhausted(world.server.failed[0].second));
  EXPECT_TRUE(absl::IsInternal(world.server.failed[1].second));
  EXPECT_THAT(std::string(world.server.failed[1].second.message()), HasSubstr("kernel"));
}

TEST(WorkerLoopFailure, ATaskOfAnUnknownKindIsRefusedUntouched) {
  LoopWorld world;
  world.server.AddTask(absl::UnimplementedError("unknown kind"));
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.executor.calls, 0);
  ASSERT_THAT(world.server.failed, SizeIs(1));
  EXPECT_TRUE(absl::IsUnimplemented(world.server.failed[0].second));
}

TEST(WorkerLoopFailure, AResultThatTheServerCannotTakeFailsTheTaskInsteadOfBeingSentForEver) {
  LoopWorld world;
  world.server.AddTask();
  world.server.refuse_complete = absl::InvalidArgumentError("rows: 4, expected 5");
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_EQ(world.server.calls["complete"], 1);
  ASSERT_THAT(world.server.failed, SizeIs(1));
  EXPECT_TRUE(absl::IsInternal(world.server.failed[0].second));
}

}  // namespace
}  // namespace sub1quant::testing
