#include <atomic>
#include <thread>

#include "tests/unit/server/store/fixture.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class OutcomeTest : public StoreTest {
 protected:
  absl::Status Complete(const std::string& worker, const GrantedLease& lease, const std::string& result) {
    return store_->Complete(Worker(worker), lease.lease_id, result, 1).status();
  }
  absl::StatusOr<bool> Fail(const std::string& worker, const GrantedLease& lease, const absl::Status& error,
                            bool final = false) {
    return store_->Fail(Worker(worker), lease.lease_id, error, final);
  }
  void FailOnce(const std::string& worker, bool final = false) {
    EXPECT_EQ(Fail(worker, AcquireOne(worker), absl::InternalError("no memory"), final).value_or(false), true);
  }
};

TEST_F(OutcomeTest, CompletingMovesEverythingAtOnce) {
  StartJob("a", Tasks(2));
  const GrantedLease first = AcquireOne("w");
  ASSERT_TRUE(Complete("w", first, "r").ok());
  EXPECT_EQ(Stage("a").done, 1);
  EXPECT_EQ(Stage("a").cost_done, 1);
  EXPECT_EQ(Stage("a").state, "running");
  clock_.Advance(std::chrono::seconds(5));
  ASSERT_TRUE(Complete("w", AcquireOne("w"), "r").ok());
  EXPECT_EQ(Stage("a").state, "done");
  EXPECT_EQ(Stage("a").finished_at, 1e9 + 5);
  EXPECT_THAT(EventKinds("a"), ElementsAre("accepted", "stage_started", "task_done", "task_done", "stage_done"));
  EXPECT_EQ(store_->Events("a", 0, 3).value().back().message, first.description);
  EXPECT_EQ(store_->Workers(clock_.Now()).value().at(0).tasks_done, 2);
}

TEST_F(OutcomeTest, TheSameCompletionAgainIsOkAnotherIsRefused) {
  StartJob("a", Tasks(2));
  const GrantedLease lease = AcquireOne("w");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(store_->LeasedPayload(lease.lease_id).value(), lease.payload);  // the service checks a repeated one, too
    EXPECT_TRUE(Complete("w", lease, "r").ok());
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(Complete("w", lease, "other")));
  EXPECT_TRUE(absl::IsFailedPrecondition(Complete("x", lease, "r")));
  EXPECT_TRUE(absl::IsFailedPrecondition(Complete("w", {"unknown", "", "", 1}, "r")));
  EXPECT_EQ(Stage("a").done, 1);
  EXPECT_EQ(store_->DoneTasks("a", {"work", 0}).value().at(0).result, "r");
  EXPECT_EQ(store_->Workers(clock_.Now()).value().at(0).tasks_done, 1);
}

TEST_F(OutcomeTest, LateIsFineUntilSomebodyExpiredIt) {
  StartJob("a", Tasks(2));
  const GrantedLease late = AcquireOne("w"), expired = AcquireOne("w");
  clock_.Advance(std::chrono::seconds(60));
  EXPECT_TRUE(Complete("w", late, "r").ok());
  EXPECT_EQ(Expire(), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(Complete("w", expired, "r")));
  const GrantedLease again = AcquireOne("x");
  EXPECT_EQ(again.attempt, 2);
  EXPECT_TRUE(absl::IsFailedPrecondition(Complete("w", expired, "r")));
  EXPECT_TRUE(Complete("x", again, "r").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Complete("w", expired, "r")));
  EXPECT_EQ(Stage("a").state, "done");
}

TEST_F(OutcomeTest, ThreeChargedAttemptsQuarantine) {
  StartJob("a", Tasks(1));
  FailOnce("w");
  EXPECT_EQ(store_->FailedTask("a").value(), std::nullopt);
  AcquireOne("x");
  clock_.Advance(std::chrono::seconds(30));
  EXPECT_EQ(Expire(), 1);
  EXPECT_EQ(store_->FailedTask("a").value(), std::nullopt);
  FailOnce("y");
  const absl::Status failed = store_->FailedTask("a").value().value();
  EXPECT_EQ(failed.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(failed.message(), "search 0: failed 3 times, last: no memory");
  EXPECT_THAT(Acquire("w"), IsEmpty());
  EXPECT_EQ(store_->CountTasks().value().at(0).state, "quarantined");
  EXPECT_THAT(EventKinds("a"), ElementsAre("accepted", "stage_started", "task_failed", "lease_expired", "task_failed"));
}

TEST_F(OutcomeTest, ExpiryCountsAsAFailure) {
  StartJob("a", Tasks(1));
  for (int i = 0; i < 3; ++i) {
    AcquireOne("w");
    clock_.Advance(std::chrono::seconds(30));
    EXPECT_EQ(Expire(), 1);
  }
  const absl::Status failed = store_->FailedTask("a").value().value();
  EXPECT_TRUE(absl::IsDeadlineExceeded(failed));
  EXPECT_THAT(std::string(failed.message()), HasSubstr("worker w did not renew its lease"));
}

TEST_F(OutcomeTest, AFinalFailureQuarantinesAtOnce) {
  StartJob("a", Tasks(2));
  FailOnce("w", true);
  EXPECT_EQ(store_->FailedTask("a").value().value().message(), "search 0: no memory");
  AcquireOne("w");  // the other task goes on
}

TEST_F(OutcomeTest, AFailureIsReportedOnceAndIsNotOk) {
  StartJob("a", Tasks(1));
  const GrantedLease lease = AcquireOne("w");
  EXPECT_TRUE(absl::IsInvalidArgument(Fail("w", lease, absl::OkStatus()).status()));
  EXPECT_TRUE(Fail("w", lease, absl::InternalError("x")).value());
  EXPECT_FALSE(Fail("w", lease, absl::InternalError("x"), true).value()) << "the answer was lost";
  EXPECT_TRUE(absl::IsFailedPrecondition(Fail("x", lease, absl::InternalError("x")).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(Complete("w", lease, "r")));
  EXPECT_THAT(EventKinds("a"), ElementsAre("accepted", "stage_started", "task_failed"));
  FailOnce("w");
  EXPECT_EQ(store_->FailedTask("a").value(), std::nullopt) << "two attempts are charged";
}

TEST_F(OutcomeTest, ReleasingIsNotCharged) {
  StartJob("a", Tasks(1));
  for (int i = 1; i <= 5; ++i) {
    const GrantedLease lease = AcquireOne("w");
    EXPECT_EQ(lease.attempt, i);
    EXPECT_EQ(store_->Release(Worker("w"), {lease.lease_id, lease.lease_id, "unknown"}).value(), 1);
    EXPECT_TRUE(absl::IsFailedPrecondition(Complete("w", lease, "r")));
  }
  EXPECT_EQ(store_->FailedTask("a").value(), std::nullopt);
  FailOnce("w");
  FailOnce("w");
  EXPECT_EQ(store_->FailedTask("a").value(), std::nullopt);
}

TEST_F(OutcomeTest, ReleasingNothingNamedReleasesAll) {
  StartJob("a", Tasks(3));
  Acquire("w", 2);
  const GrantedLease kept = AcquireOne("x");
  EXPECT_EQ(store_->Release(Worker("w"), {}).value(), 2);
  EXPECT_EQ(store_->Release(Worker("w"), {}).value(), 0);
  EXPECT_EQ(store_->CountActiveLeases().value(), 1);
  EXPECT_THAT(Lost("x", {kept.lease_id}), IsEmpty());
}

TEST_F(OutcomeTest, AnotherResultForTheSameKeyIsEvidence) {
  NewTask twin = Task(1);
  twin.action_key = Task(0).action_key;
  NewTask same = Task(2);
  same.action_key = Task(0).action_key;
  StartJob("a", {Task(0), twin, same});
  ASSERT_TRUE(Complete("w", AcquireOne("w"), "first").ok());
  ASSERT_TRUE(Complete("w", AcquireOne("w"), "second").ok());
  ASSERT_TRUE(Complete("w", AcquireOne("w"), "first").ok());
  EXPECT_EQ(store_->FindResults({Task(0).action_key}).value()[0], "first");
  EXPECT_THAT(EventKinds("a"), ElementsAre("accepted", "stage_started", "task_done", "result_mismatch", "task_done",
                                           "task_done", "stage_done"));
}

TEST_F(OutcomeTest, OneOfManyRacingCompletionsWins) {
  constexpr int kRounds = 30;
  StartJob("a", Tasks(kRounds));
  for (int round = 0; round < kRounds; ++round) {
    const GrantedLease lease = AcquireOne("w");
    std::atomic<int> won = 0, lost = 0;
    const auto count = [&](const absl::Status& status) { ++(status.ok() ? won : lost); };
    std::thread first([&] { count(Complete("w", lease, "first")); });
    std::thread second([&] { count(Complete("w", lease, "second")); });
    std::thread third([&] { count(Fail("w", lease, absl::InternalError("x"), true).status()); });
    first.join();
    second.join();
    third.join();
    EXPECT_EQ(won, 1);
    EXPECT_EQ(lost, 2);
  }
  EXPECT_EQ(static_cast<size_t>(Stage("a").done), store_->DoneTasks("a", {"work", 0}).value().size());
}

}  // namespace
}  // namespace sub1quant
