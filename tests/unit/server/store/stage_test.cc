#include "tests/unit/server/store/fixture.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StageTest : public StoreTest {
 protected:
  void CreateJob(const std::vector<StageKey>& stages) {
    JobRecord job;
    job.id = job.idempotency_key = "a";
    job.specification = "{}";
    ASSERT_TRUE(store_->CreateJob(job, stages).ok());
  }
};

TEST_F(StageTest, AServerStageRunsUntilItIsFinished) {
  CreateJob({{"inspect", 0}});
  const StageKey inspect{"inspect", 0};
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->FinishStage("a", inspect, "", {}, {}, {})));  // has not started
  ASSERT_TRUE(store_->StartStage("a", inspect, {}).ok());
  EXPECT_EQ(Stage("a").state, "running");
  EXPECT_EQ(store_->GetJob("a").value().state, JobState::kRunning);
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->StageDocument("a", inspect).status()));
  clock_.Advance(std::chrono::seconds(2));
  ASSERT_TRUE(store_->FinishStage("a", inspect, "document", {{"out", "digest", 3}}, {"odd", "odder"}, {"tokens"}).ok());
  EXPECT_EQ(store_->StageDocument("a", inspect).value(), "document");
  EXPECT_EQ(Stage("a").state, "done");
  EXPECT_EQ(Stage("a").finished_at - Stage("a").started_at, 2);
  EXPECT_THAT(store_->GetJob("a").value().warnings, ElementsAre("odd", "odder"));
  EXPECT_EQ(store_->Outputs("a").value().at(0).size, 3u);
  ASSERT_TRUE(store_->FinishStage("a", inspect, "other", {}, {"again"}, {}).ok());
  EXPECT_EQ(store_->StageDocument("a", inspect).value(), "document");
  EXPECT_THAT(EventKinds("a"), ElementsAre("accepted", "stage_started", "warning", "warning", "stage_done"));
}

TEST_F(StageTest, AWorkersStageWithoutTasksIsDoneAtOnce) {
  CreateJob({{"pack", 0}});
  ASSERT_TRUE(store_->StartStage("a", {"pack", 0}, {}).ok());
  EXPECT_EQ(Stage("a").state, "done");
  EXPECT_THAT(EventKinds("a"), ElementsAre("accepted", "stage_started", "stage_done"));
}

TEST_F(StageTest, ReusedTasksAreDone) {
  std::vector<NewTask> tasks = Tasks(3);
  tasks[0].result = "r0";
  tasks[2].result = "";  // an empty result is one, too
  StartJob("a", tasks);
  EXPECT_EQ(Stage("a").state, "running");
  EXPECT_EQ(Stage("a").done, 2);
  EXPECT_EQ(Stage("a").reused, 2);
  EXPECT_EQ(Stage("a").cost_done, 2);
  EXPECT_EQ(Stage("a").cost_total, 3);
  const GrantedLease lease = AcquireOne("w");
  EXPECT_EQ(lease.payload, "payload 1");
  ASSERT_TRUE(store_->Complete(Worker("w"), lease.lease_id, "r1", 4).ok());
  EXPECT_EQ(Stage("a").state, "done");
  const std::vector<DoneTask> done = store_->DoneTasks("a", {"work", 0}).value();
  ASSERT_EQ(done.size(), 3u);
  EXPECT_EQ(done[0].result, "r0");
  EXPECT_EQ(done[0].worker, "");
  EXPECT_EQ(done[1].result, "r1");
  EXPECT_EQ(done[1].worker, "w");
  EXPECT_EQ(done[1].seconds, 4);
  EXPECT_EQ(done[2].ordinal, 2);
}

TEST_F(StageTest, OnlyReusedTasksEndTheStageAtOnce) {
  std::vector<NewTask> tasks = Tasks(2);
  for (NewTask& task : tasks) task.result = "r";
  StartJob("a", tasks);
  EXPECT_EQ(Stage("a").state, "done");
  EXPECT_THAT(Acquire("w"), IsEmpty());
}

TEST_F(StageTest, StartingAgainChangesNothing) {
  StartJob("a", Tasks(2));
  ASSERT_TRUE(store_->StartStage("a", {"work", 0}, Tasks(5)).ok());
  EXPECT_EQ(Stage("a").total, 2);
  EXPECT_EQ(store_->CountTasks().value().at(0).tasks, 2);
}

TEST_F(StageTest, AFailedStartLeavesNothingBehind) {
  CreateJob({{"work", 0}});
  const absl::Status status = store_->StartStage("a", {"work", 0}, {Task(0), Task(1), Task(0)});  // an ordinal twice
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
  EXPECT_THAT(store_->CountTasks().value(), IsEmpty());
  EXPECT_EQ(Stage("a").state, "waiting");
  ASSERT_TRUE(store_->StartStage("a", {"work", 0}, Tasks(2)).ok());  // the transaction is closed
}

TEST_F(StageTest, AnEndedJobStartsNothing) {
  CreateJob({{"work", 0}, {"seal", 0}});
  ASSERT_TRUE(store_->StartStage("a", {"seal", 0}, {}).ok());
  ASSERT_TRUE(store_->EndJob("a", JobState::kCancelled, absl::CancelledError(""), {}).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->StartStage("a", {"work", 0}, Tasks(1))));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->FinishStage("a", {"seal", 0}, "", {}, {}, {})));
}

TEST_F(StageTest, ResultsAreFoundUntilForgotten) {
  StartJob("a", Tasks(1));
  ASSERT_TRUE(store_->Complete(Worker("w"), AcquireOne("w").lease_id, "result", 1).ok());
  const auto found = store_->FindResults({"none", "search-key-0", "search-key-0"}).value();
  EXPECT_THAT(found, ElementsAre(std::nullopt, "result", "result"));
  ASSERT_TRUE(store_->ForgetResult("search-key-0").ok());
  EXPECT_THAT(store_->FindResults({"search-key-0"}).value(), ElementsAre(std::nullopt));
}

}  // namespace
}  // namespace sub1quant
