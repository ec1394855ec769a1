#include "core/status.h"
#include "tests/unit/server/store/fixture.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class JobTest : public StoreTest {
 protected:
  static JobRecord Job(const std::string& id, const std::string& key, const std::string& specification = "{}") {
    JobRecord job;
    job.id = id;
    job.idempotency_key = key;
    job.specification = specification;
    job.created_at = 5;
    return job;
  }
  // A job that has ended with these output digests, with `references` of its inspection.
  void EndedJob(const std::string& id, const std::vector<std::string>& outputs,
                const std::vector<std::string>& references) {
    ASSERT_TRUE(store_->CreateJob(Job(id, id), {{"inspect", 0}}).ok());
    ASSERT_TRUE(store_->StartStage(id, {"inspect", 0}, {}).ok());
    std::vector<OutputRecord> records;
    for (const std::string& digest : outputs) records.push_back({"file-" + digest, digest, 7});
    ASSERT_TRUE(store_->FinishStage(id, {"inspect", 0}, "{}", records, {}, references).ok());
    ASSERT_TRUE(store_->EndJob(id, JobState::kSucceeded, absl::OkStatus(), {}).ok());
  }
};

TEST_F(JobTest, CreatingIsIdempotentByKeyAndSpecification) {
  EXPECT_TRUE(store_->CreateJob(Job("a", "key"), {}).value().created);
  const auto again = store_->CreateJob(Job("b", "key"), {}).value();
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.id, "a");
  EXPECT_EQ(store_->CreateJob(Job("c", "key", "{\"other\":1}"), {}).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(store_->ListJobs().value().size(), 1u);
}

TEST_F(JobTest, RecordsComeBackAsTheyWere) {
  const std::string bytes("{\0\xff}", 4);
  ASSERT_TRUE(store_->CreateJob(Job("a", "key", bytes), {{"inspect", 0}, {"allocate", 1}}).ok());
  const JobRecord job = store_->GetJob("a").value();
  EXPECT_EQ(job.specification, bytes);
  EXPECT_EQ(job.state, JobState::kAccepted);
  EXPECT_EQ(job.created_at, 5);
  EXPECT_EQ(job.finished_at, 0);
  const std::vector<StageRecord> stages = store_->Stages("a").value();
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[1].key, (StageKey{"allocate", 1}));
  EXPECT_EQ(stages[1].state, "waiting");
}

TEST_F(JobTest, ActiveOnesAreOldestFirstUntilTheyEnd) {
  for (const char* id : {"z", "a", "m"}) ASSERT_TRUE(store_->CreateJob(Job(id, id), {{"inspect", 0}}).ok());
  ASSERT_TRUE(store_->StartStage("m", {"inspect", 0}, {}).ok());
  ASSERT_TRUE(store_->RequestCancel("z").ok());
  const auto active = [&] {
    std::vector<std::string> ids;
    const auto jobs = store_->ActiveJobs().value();
    for (const JobRecord& job : jobs) ids.push_back(job.id);
    return ids;
  };
  EXPECT_THAT(active(), ElementsAre("z", "a", "m"));
  EXPECT_TRUE(store_->ActiveJobs().value().front().cancelling);
  ASSERT_TRUE(store_->EndJob("z", JobState::kCancelled, absl::CancelledError("x"), {}).ok());
  ASSERT_TRUE(store_->EndJob("m", JobState::kFailed, absl::InternalError("x"), {}).ok());
  EXPECT_THAT(active(), ElementsAre("a"));
}

TEST_F(JobTest, ListIsNewestFirst) {
  for (const char* id : {"z", "a", "m"}) ASSERT_TRUE(store_->CreateJob(Job(id, id), {}).ok());
  std::vector<std::string> ids;
  const auto jobs = store_->ListJobs().value();
  for (const JobRecord& job : jobs) ids.push_back(job.id);
  EXPECT_THAT(ids, ElementsAre("m", "a", "z"));
}

TEST_F(JobTest, UnknownJobsAreNotFound) {
  EXPECT_TRUE(absl::IsNotFound(store_->GetJob("x").status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Stages("x").status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Outputs("x").status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Events("x", 0, 1).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->RequestCancel("x")));
  EXPECT_TRUE(absl::IsNotFound(store_->DeleteJob("x").status()));
  EXPECT_TRUE(absl::IsNotFound(store_->EndJob("x", JobState::kFailed, absl::UnknownError(""), {})));
  EXPECT_TRUE(absl::IsNotFound(store_->StartStage("x", {"work", 0}, {})));
  ASSERT_TRUE(store_->CreateJob(Job("a", "a"), {{"work", 0}}).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->StartStage("a", {"work", 1}, {})));
}

TEST_F(JobTest, EndingCancelsTasksAndTakesLeases) {
  StartJob("a", Tasks(3));
  const GrantedLease lease = AcquireOne("w");
  ASSERT_TRUE(store_->RequestCancel("a").ok());
  EXPECT_TRUE(store_->GetJob("a").value().cancelling);
  EXPECT_THAT(Acquire("w"), IsEmpty());
  ASSERT_TRUE(store_->EndJob("a", JobState::kCancelled, absl::CancelledError("cancelled"), {}).ok());
  EXPECT_THAT(Lost("w", {lease.lease_id}), ElementsAre(lease.lease_id));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Complete(Worker("w"), lease.lease_id, "result", 1).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->LeasedPayload(lease.lease_id).status()));
  EXPECT_EQ(store_->CountActiveLeases().value(), 0);
  clock_.Advance(std::chrono::seconds(60));
  EXPECT_EQ(Expire(), 0);
  const auto counts = store_->CountTasks().value();
  ASSERT_EQ(counts.size(), 1u);
  EXPECT_EQ(counts[0].state, "cancelled");
  EXPECT_EQ(counts[0].tasks, 3);
  EXPECT_THAT(EventKinds("a"), ElementsAre("accepted", "stage_started", "cancelling", "finished"));
}

TEST_F(JobTest, TheFirstEndStays) {
  ASSERT_TRUE(store_->CreateJob(Job("a", "a"), {}).ok());
  ASSERT_TRUE(store_->EndJob("a", JobState::kFailed, absl::DataLossError("broken"), {}).ok());
  ASSERT_TRUE(store_->EndJob("a", JobState::kSucceeded, absl::OkStatus(), {{"x", "y", 1}}).ok());
  ASSERT_TRUE(store_->RequestCancel("a").ok());
  const JobRecord job = store_->GetJob("a").value();
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_FALSE(job.cancelling);
  EXPECT_EQ(job.error_code, static_cast<int>(absl::StatusCode::kDataLoss));
  EXPECT_EQ(job.error_message, "broken");
  EXPECT_EQ(job.finished_at, 1e9);
  EXPECT_THAT(store_->Outputs("a").value(), IsEmpty());
  EXPECT_THAT(store_->Events("a", 0, 10).value().back().message, HasSubstr("broken"));
}

TEST_F(JobTest, EventsGoOnAfterASequence) {
  StartJob("a", Tasks(2));
  StartJob("b", Tasks(1));
  const std::vector<EventRecord> all = store_->Events("a", 0, 100).value();
  ASSERT_EQ(all.size(), 2u);
  const std::vector<EventRecord> first = store_->Events("a", 0, 1).value();
  ASSERT_EQ(first.size(), 1u);
  const std::vector<EventRecord> rest = store_->Events("a", first[0].sequence, 100).value();
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].kind, "stage_started");
  EXPECT_EQ(rest[0].stage, "work");
  EXPECT_EQ(rest[0].at, 1e9);
  EXPECT_THAT(store_->Events("a", rest[0].sequence, 100).value(), IsEmpty());
  EXPECT_THAT(store_->Events("a", 0, -1).value(), IsEmpty());
}

TEST_F(JobTest, DeletingAnswersWhatNobodyElseHas) {
  EndedJob("a", {"shared", "mine", "referenced"}, {"corpus", "tokens"});
  EndedJob("b", {"shared"}, {"corpus", "referenced"});
  EXPECT_THAT(store_->DeleteJob("a").value(), ElementsAre("mine", "tokens"));
  EXPECT_TRUE(absl::IsNotFound(store_->GetJob("a").status()));
  EXPECT_THAT(store_->DeleteJob("b").value(), ElementsAre("corpus", "referenced", "shared"));
}

TEST_F(JobTest, DeletingSparesWhatARunningJobStillNeeds) {
  EndedJob("a", {"blob-of-a-result", "free"}, {"named-in-a-payload", "named-in-a-specification"});
  NewTask reused = Task(0, "pack"), open = Task(1, "pack");
  reused.result =
      "\n\x10"
      "blob-of-a-result"
      "\x01";
  open.payload = "\x12named-in-a-payload";
  ASSERT_TRUE(store_->CreateJob(Job("b", "b", "{\"corpus\":\"named-in-a-specification\"}"), {{"pack", 0}}).ok());
  ASSERT_TRUE(store_->StartStage("b", {"pack", 0}, {reused, open}).ok());
  EXPECT_THAT(store_->DeleteJob("a").value(), ElementsAre("free"));
}

TEST_F(JobTest, OnlyAnEndedJobIsDeletedAndItsResultsStay) {
  StartJob("a", Tasks(1));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->DeleteJob("a").status()));
  const GrantedLease lease = AcquireOne("w");
  ASSERT_TRUE(store_->Complete(Worker("w"), lease.lease_id, "result", 1).ok());
  ASSERT_TRUE(store_->EndJob("a", JobState::kSucceeded, absl::OkStatus(), {}).ok());
  ASSERT_TRUE(store_->DeleteJob("a").ok());
  EXPECT_EQ(store_->FindResults({"search-key-0"}).value()[0], "result");
  EXPECT_THAT(store_->CountTasks().value(), IsEmpty());
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Complete(Worker("w"), lease.lease_id, "result", 1).status()));
  EXPECT_TRUE(store_->CreateJob(Job("new", "a"), {}).value().created);  // the key is free again
}

TEST_F(JobTest, ChangesAreCountedAndLookingIsNone) {
  const uint64_t before = store_->ChangeCount();
  ASSERT_TRUE(store_->CreateJob(Job("a", "a"), {}).ok());
  const uint64_t after = store_->ChangeCount();
  EXPECT_NE(before, after);
  store_->WaitForChange(before, std::chrono::hours(1));  // returns at once
  ASSERT_TRUE(store_->GetJob("a").ok());
  ASSERT_TRUE(store_->CreateJob(Job("a", "a"), {}).ok());
  ASSERT_TRUE(store_->Ping().ok());
  EXPECT_EQ(store_->ChangeCount(), after);
  Acquire("w");  // a new worker
  const uint64_t known = store_->ChangeCount();
  EXPECT_THAT(Acquire("w"), IsEmpty());
  EXPECT_THAT(Lost("w", {"x"}), ElementsAre("x"));
  EXPECT_EQ(Expire(), 0);
  EXPECT_EQ(store_->ChangeCount(), known);
}

}  // namespace
}  // namespace sub1quant
