#include "tests/unit/server/store/fixture.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LeaseTest : public StoreTest {};

TEST_F(LeaseTest, OlderJobsFirstThenTheLargest) {
  StartJob("z", {Task(0, "search", 1), Task(1, "search", 5), Task(2, "search", 5)});
  StartJob("a", {Task(7, "search", 9)});
  std::vector<std::string> order;
  for (int i = 0; i < 4; ++i) order.push_back(AcquireOne("w").description);
  EXPECT_THAT(order, ElementsAre("search 1", "search 2", "search 0", "search 7"));
}

TEST_F(LeaseTest, EarlierStagesFirst) {
  JobRecord job;
  job.id = job.idempotency_key = "a";
  ASSERT_TRUE(store_->CreateJob(job, {{"search", 0}, {"score_base", 0}}).ok());
  ASSERT_TRUE(store_->StartStage("a", {"score_base", 0}, {Task(0, "score", 100)}).ok());
  ASSERT_TRUE(store_->StartStage("a", {"search", 0}, {Task(0, "search", 1)}).ok());
  EXPECT_EQ(AcquireOne("w").description, "search 0");
  EXPECT_EQ(AcquireOne("w").description, "score 0");
}

TEST_F(LeaseTest, ALoadedModelComesFirst) {
  NewTask other = Task(0, "score", 9), loaded = Task(1, "score", 1), none = Task(2, "score", 5);
  other.affinity = "model/b";
  loaded.affinity = "model/a";
  StartJob("a", {other, loaded, none});
  EXPECT_THAT(Descriptions(Acquire("w", 1, "", "model/a")), ElementsAre("score 1"));
  EXPECT_THAT(Descriptions(Acquire("w", 1, "", "model/a")), ElementsAre("score 0"));
  EXPECT_THAT(Descriptions(Acquire("w", 1, "", "")), ElementsAre("score 2"));
}

TEST_F(LeaseTest, OnlyTheOperationsAWorkerKnows) {
  StartJob("a", {Task(0, "score"), Task(1, "pack")});
  const auto acquire = [&](const std::vector<std::string>& operations) {
    return Descriptions(store_->Acquire({Worker("w"), operations, 1, "", ""}, clock_.Now()).value());
  };
  EXPECT_THAT(acquire({}), IsEmpty());
  EXPECT_THAT(acquire({"", "search", "'; DROP TABLE task"}), IsEmpty());
  EXPECT_THAT(acquire({"pack"}), ElementsAre("pack 1"));
}

TEST_F(LeaseTest, BatchesAreOfOneOperationAndOfBoundedCost) {
  StartJob("a", {Task(0, "search", 1.5), Task(1, "search", 0.45), Task(2, "search", 0.1), Task(3, "search", 0.05)});
  StartJob("b", {Task(4, "pack", 0.1)});
  EXPECT_THAT(Descriptions(Acquire("w", 8)), ElementsAre("search 0", "search 1"));
  EXPECT_THAT(Descriptions(Acquire("w", 8)), ElementsAre("search 2", "search 3"));
  EXPECT_THAT(Descriptions(Acquire("w", 8)), ElementsAre("pack 4"));
}

TEST_F(LeaseTest, ALargeTaskComesAloneAndSoDoScoreAndExport) {
  StartJob("a", {Task(0, "search", 9), Task(1, "search", 0.1)});
  EXPECT_EQ(Acquire("w", 8).size(), 1u);
  EXPECT_EQ(Acquire("w", 8).size(), 1u);
  StartJob("b", Tasks(3, "score"));
  EXPECT_EQ(Acquire("w", 8).size(), 1u);
  StartJob("c", Tasks(3, "search"));
  EXPECT_EQ(Acquire("w", 0).size(), 1u);
}

TEST_F(LeaseTest, TheSameRequestGetsTheSameLeases) {
  StartJob("a", Tasks(4));
  const std::vector<GrantedLease> first = Acquire("w", 2, "request");
  ASSERT_EQ(first.size(), 2u);
  clock_.Advance(std::chrono::seconds(29));
  const std::vector<GrantedLease> again = Acquire("w", 2, "request");
  ASSERT_EQ(again.size(), 2u);
  for (int i : {0, 1}) {
    EXPECT_EQ(again[i].lease_id, first[i].lease_id);
    EXPECT_EQ(again[i].payload, first[i].payload);
    EXPECT_EQ(again[i].attempt, 1);
  }
  clock_.Advance(std::chrono::seconds(29));
  EXPECT_EQ(Expire(), 0);  // the second answer named a full time to live
  EXPECT_NE(Acquire("other", 2, "request")[0].lease_id, first[0].lease_id);
  ASSERT_TRUE(store_->Complete(Worker("w"), first[0].lease_id, "r", 1).ok());
  EXPECT_THAT(Descriptions(Acquire("w", 2, "request")), ElementsAre(first[1].description));
}

TEST_F(LeaseTest, RenewingKeepsALease) {
  StartJob("a", Tasks(1));
  const GrantedLease lease = AcquireOne("w");
  for (int i = 0; i < 5; ++i) {
    clock_.Advance(std::chrono::seconds(20));
    EXPECT_THAT(Lost("w", {lease.lease_id}), IsEmpty());
    EXPECT_EQ(Expire(), 0);
  }
  clock_.Advance(std::chrono::seconds(29));
  EXPECT_EQ(Expire(), 0);
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(Expire(), 1);
  EXPECT_THAT(Lost("w", {lease.lease_id}), ElementsAre(lease.lease_id));
  const EventRecord event = store_->Events("a", 0, 100).value().back();
  EXPECT_EQ(event.kind, "lease_expired");
  EXPECT_THAT(event.message, ::testing::HasSubstr("worker w did not renew its lease"));
  EXPECT_THAT(event.message, ::testing::Not(::testing::HasSubstr(lease.lease_id)));  // a secret
}

TEST_F(LeaseTest, AForeignOrUnknownLeaseIsLost) {
  StartJob("a", Tasks(1));
  const GrantedLease lease = AcquireOne("w");
  EXPECT_THAT(Lost("thief", {lease.lease_id, "", "x"}), ElementsAre(lease.lease_id, "", "x"));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Complete(Worker("thief"), lease.lease_id, "r", 1).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      store_->Fail(Worker("thief"), lease.lease_id, absl::UnknownError("x"), true).status()));
  EXPECT_EQ(store_->Release(Worker("thief"), {lease.lease_id}).value(), 0);
  EXPECT_EQ(store_->LeasedPayload(lease.lease_id).value(), "payload 0");
  EXPECT_THAT(Lost("w", {lease.lease_id}), IsEmpty());
}

TEST_F(LeaseTest, ADrainingWorkerGetsNothingMore) {
  StartJob("a", Tasks(2));
  const GrantedLease lease = AcquireOne("w");
  EXPECT_TRUE(absl::IsNotFound(store_->DrainWorker("nobody")));
  EXPECT_FALSE(store_->IsDraining(Worker("w")).value());
  ASSERT_TRUE(store_->DrainWorker("w").ok());
  EXPECT_TRUE(store_->IsDraining(Worker("w")).value());
  EXPECT_THAT(Acquire("w"), IsEmpty());
  EXPECT_TRUE(store_->Renew(Worker("w"), {lease.lease_id}, clock_.Now()).value().drain);
  EXPECT_TRUE(store_->Complete(Worker("w"), lease.lease_id, "r", 1).ok());  // what it has it may end
  AcquireOne("x");
}

TEST_F(LeaseTest, WorkersAreSeen) {
  StartJob("a", Tasks(2));
  Acquire("b", 2);
  clock_.Advance(std::chrono::seconds(3));
  Acquire("a");
  clock_.Advance(std::chrono::seconds(4));
  const std::vector<WorkerRecord> workers = store_->Workers(clock_.Now()).value();
  ASSERT_EQ(workers.size(), 2u);
  EXPECT_EQ(workers[0].name, "a");
  EXPECT_EQ(workers[0].seen_seconds_ago, 4);
  EXPECT_THAT(workers[0].stages, IsEmpty());
  EXPECT_EQ(workers[1].session, "session-b");
  EXPECT_EQ(workers[1].device, "cpu");
  EXPECT_EQ(workers[1].seen_seconds_ago, 7);
  EXPECT_THAT(workers[1].stages, ElementsAre("work", "work"));
}

}  // namespace
}  // namespace sub1quant
