#include <algorithm>
#include <filesystem>
#include <functional>

#include "tests/unit/server/services/fixture.h"

namespace sub1quant {
namespace {

using absl::StatusCode;

class JobServiceTest : public ServiceTest {
 protected:
  struct Seen {
    std::vector<int64_t> sequences;
    std::vector<std::string> kinds;
    v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
    absl::Status end;
  };
  // One running watch.
  class Watch {
   public:
    Watch(v1::JobService::Stub& stub, const std::string& job, int64_t after) : context_(NewCall(kTimeout)) {
      v1::WatchJobRequest request;
      request.set_job(job);
      request.set_after_sequence(after);
      reader_ = stub.WatchJob(context_.get(), request);
    }
    // False at the end of the stream.
    bool Next() {
      v1::WatchJobResponse response;
      if (!reader_->Read(&response)) return false;
      for (const v1::JobEvent& event : response.events()) {
        seen_.sequences.push_back(event.sequence());
        seen_.kinds.push_back(event.kind());
      }
      seen_.state = response.job().state();
      return true;
    }
    Seen ToTheEnd() {
      while (Next()) {
      }
      seen_.end = FromGrpc(reader_->Finish());
      return seen_;
    }

   private:
    std::unique_ptr<grpc::ClientContext> context_;
    std::unique_ptr<grpc::ClientReader<v1::WatchJobResponse>> reader_;
    Seen seen_;
  };
  Seen WatchToTheEnd(const std::string& job, int64_t after = 0) { return Watch(*jobs_, job, after).ToTheEnd(); }
};

TEST_F(JobServiceTest, SubmitIsIdempotent) {
  JobSpecification job = SmallJob();
  const v1::SubmitJobResponse first = Submit(job, "key").value();
  EXPECT_TRUE(first.created());
  const v1::SubmitJobResponse again = Submit(job, "key").value();
  EXPECT_FALSE(again.created());
  EXPECT_EQ(again.job(), first.job());
  job.label = "another";
  EXPECT_EQ(Submit(job, "key").status().code(), StatusCode::kAlreadyExists);
  EXPECT_TRUE(Submit(job, "key 2")->created());
  // Without a key every submission is a job of its own.
  EXPECT_NE(Submit(job)->job(), Submit(job)->job());
}

TEST_F(JobServiceTest, WhatWasSubmittedIsWhatTheJobSays) {
  const JobSpecification job = SmallJob();
  const std::string id = Submit(job)->job();
  const v1::Job answer = GetJob(id).value();
  EXPECT_EQ(FromProto(answer.specification()).value(), job);
  EXPECT_EQ(answer.state(), v1::JOB_STATE_ACCEPTED);
  ASSERT_GT(answer.stages_size(), 0);
  EXPECT_EQ(answer.stages(0).name(), "inspect");
  EXPECT_EQ(answer.stages(0).state(), "waiting");
}

TEST_F(JobServiceTest, ListIsNewestFirst) {
  const std::string first = Submit(SmallJob())->job();
  clock_.Advance(std::chrono::seconds(1));
  const std::string second = Submit(SmallJob())->job();
  const auto list = CallUnary(*jobs_, &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(), kTimeout).value();
  ASSERT_EQ(list.jobs_size(), 2);
  EXPECT_EQ(list.jobs(0).id(), second);
  EXPECT_EQ(list.jobs(1).id(), first);
}

TEST_F(JobServiceTest, AnUnknownRootIsRefusedNamingTheKnown) {
  JobSpecification job = SmallJob();
  job.model_root = "elsewhere";
  EXPECT_THAT(Submit(job).status(),
              Refused(StatusCode::kInvalidArgument, "'elsewhere' is not one of this server's (models, other)"));
}

TEST_F(JobServiceTest, PathsThatLeaveTheRootAreRefused) {
  JobSpecification job = SmallJob();
  for (const std::string& path : {std::string(".."), std::string("gemma4-tiny/../.."), std::string("/etc"),
                                  std::string("gemma4-tiny\0", 12), std::string("a\0/../..", 8)}) {
    job.model_path = path;
    EXPECT_THAT(Submit(job).status(), Refused(StatusCode::kInvalidArgument, "")) << path;
  }
  job.model_root = "other";
  job.model_path = "way-out";
  std::filesystem::create_directory_symlink(SUB1QUANT_TESTDATA "/gemma4-tiny", directory_ + "/other/way-out");
  EXPECT_THAT(Submit(job).status(), Refused(StatusCode::kPermissionDenied, "leads out of the model root"));
}

TEST_F(JobServiceTest, AnUnknownBlobIsRefused) {
  JobSpecification job = SmallJob();
  job.corpus_sha256 = Sha256Hex("never uploaded");
  EXPECT_THAT(Submit(job).status(), Refused(StatusCode::kNotFound, job.corpus_sha256));
  job = SmallJob();
  job.quantize = false;
  job.checkpoint_manifest_sha256 = Sha256Hex("never sealed");
  EXPECT_THAT(Submit(job).status(), Refused(StatusCode::kNotFound, job.checkpoint_manifest_sha256));
}

TEST_F(JobServiceTest, ASpecificationThatMakesNoSenseIsRefused) {
  JobSpecification job = SmallJob();
  job.group_size = -1;
  EXPECT_THAT(Submit(job).status(), Refused(StatusCode::kInvalidArgument, "group-size"));
  EXPECT_THAT(Submit(SmallJob(), std::string(257, 'k')).status(),
              Refused(StatusCode::kInvalidArgument, "idempotency_key"));
}

TEST_F(JobServiceTest, UnknownJobsAreNotFound) {
  EXPECT_EQ(GetJob("none").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(CancelJob("none").code(), StatusCode::kNotFound);
  EXPECT_EQ(DeleteJob("none").code(), StatusCode::kNotFound);
  EXPECT_EQ(WatchToTheEnd("none").end.code(), StatusCode::kNotFound);
}

TEST_F(JobServiceTest, CancelEndsAJobAndDeleteRemovesIt) {
  const std::string job = StartSmallJob();
  EXPECT_EQ(GetJob(job)->state(), v1::JOB_STATE_RUNNING);
  EXPECT_THAT(DeleteJob(job), Refused(StatusCode::kFailedPrecondition, "cancel it first"));
  ASSERT_EQ(CancelJob(job), absl::OkStatus());
  EXPECT_TRUE(GetJob(job)->cancelling());
  Conduct();
  EXPECT_EQ(GetJob(job)->state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(CancelJob(job), absl::OkStatus()) << "no effect on a job that has ended";
  ASSERT_EQ(DeleteJob(job), absl::OkStatus());
  EXPECT_EQ(GetJob(job).status().code(), StatusCode::kNotFound);
}

TEST_F(JobServiceTest, DeleteRemovesTheBlobsThatOnlyThisJobUses) {
  const std::string first = StartSmallJob();
  WorkToTheEnd();
  JobSpecification other = SmallJob();
  other.label = "other";
  const std::string second = Submit(other)->job();
  WorkToTheEnd();
  const v1::Job before = GetJob(first).value();
  ASSERT_EQ(before.state(), v1::JOB_STATE_SUCCEEDED) << before.error_message();
  std::map<std::string, std::string> outputs;
  for (const v1::Output& output : before.outputs()) {
    outputs[output.path()] = output.sha256();
    EXPECT_EQ(blobs_->Size(output.sha256()).value(), output.size()) << output.path();
  }
  ASSERT_EQ(DeleteJob(first), absl::OkStatus());
  EXPECT_EQ(blobs_->Size(outputs.at("report.json")).status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(blobs_->Size(outputs.at("artifact/manifest.json")).ok()) << "the other job has the same";
  ASSERT_EQ(DeleteJob(second), absl::OkStatus());
  EXPECT_EQ(blobs_->Size(outputs.at("artifact/manifest.json")).status().code(), StatusCode::kNotFound);
}

TEST_F(JobServiceTest, WatchTellsEverythingAndEndsWithTheJob) {
  const std::string job = StartSmallJob();
  WorkToTheEnd();
  const Seen seen = WatchToTheEnd(job);
  EXPECT_EQ(seen.end, absl::OkStatus());
  EXPECT_EQ(seen.state, v1::JOB_STATE_SUCCEEDED);
  const auto events = store_->Events(job, 0, 100000).value();
  ASSERT_EQ(seen.sequences.size(), events.size());
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(seen.sequences[i], events[i].sequence);
  EXPECT_EQ(seen.kinds.front(), "accepted");
  EXPECT_EQ(seen.kinds.back(), "finished");
  EXPECT_THAT(seen.kinds, ::testing::IsSupersetOf({"stage_started", "task_done", "stage_done"}));
}

TEST_F(JobServiceTest, WatchResumesAfterASequence) {
  const std::string job = StartSmallJob();
  ASSERT_EQ(CancelJob(job), absl::OkStatus());
  Conduct();
  const Seen all = WatchToTheEnd(job);
  ASSERT_GE(all.sequences.size(), 4u);
  for (size_t have = 0; have <= all.sequences.size(); ++have) {
    const Seen rest = WatchToTheEnd(job, have == 0 ? 0 : all.sequences[have - 1]);
    EXPECT_EQ(rest.sequences, std::vector<int64_t>(all.sequences.begin() + have, all.sequences.end()));
    EXPECT_EQ(rest.state, v1::JOB_STATE_CANCELLED) << "told even where no event is left";
    EXPECT_EQ(rest.end, absl::OkStatus());
  }
}

TEST_F(JobServiceTest, MoreEventsThanOneMessageHoldsAllCome) {
  const std::string job = Submit(SmallJob())->job();
  ASSERT_TRUE(store_->StartStage(job, {"inspect", 0}, {}).ok());
  ASSERT_TRUE(store_->FinishStage(job, {"inspect", 0}, "", {}, std::vector<std::string>(1234, "odd"), {}).ok());
  ASSERT_TRUE(store_->EndJob(job, JobState::kFailed, absl::AbortedError("enough"), {}).ok());
  const Seen seen = WatchToTheEnd(job);
  EXPECT_EQ(std::count(seen.kinds.begin(), seen.kinds.end(), "warning"), 1234);
  EXPECT_EQ(seen.kinds.back(), "finished");
  EXPECT_EQ(std::adjacent_find(seen.sequences.begin(), seen.sequences.end(), std::greater_equal<>()),
            seen.sequences.end());
}

TEST_F(JobServiceTest, WatchIsLive) {
  const std::string job = StartSmallJob();
  Watch watch(*jobs_, job, 0);
  ASSERT_TRUE(watch.Next());
  ASSERT_EQ(CancelJob(job), absl::OkStatus());
  ASSERT_TRUE(watch.Next()) << "the event cancelling";
  Conduct();
  const Seen seen = watch.ToTheEnd();
  EXPECT_EQ(seen.end, absl::OkStatus());
  EXPECT_EQ(seen.kinds.back(), "finished");
  EXPECT_EQ(seen.state, v1::JOB_STATE_CANCELLED);
}

TEST_F(JobServiceTest, AStoppingServerEndsWatches) {
  const std::string job = StartSmallJob();
  Watch watch(*jobs_, job, 0);
  ASSERT_TRUE(watch.Next());
  job_service_->Stop();
  EXPECT_THAT(watch.ToTheEnd().end, Refused(StatusCode::kUnavailable, "stopping"));
}

TEST_F(JobServiceTest, CallsThatWaitAreBounded) {
  const std::string job = StartSmallJob();
  std::vector<std::unique_ptr<Watch>> watches;
  for (int i = 0; i < kLongPolls; ++i) {
    watches.push_back(std::make_unique<Watch>(*jobs_, job, 0));
    ASSERT_TRUE(watches.back()->Next());
  }
  EXPECT_EQ(WatchToTheEnd(job).end.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Acquire(AcquireRequest("s1", {"search"})).status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(GetJob(job).ok()) << "short calls go on";
  ASSERT_EQ(CancelJob(job), absl::OkStatus());
  Conduct();
  for (const auto& watch : watches) EXPECT_EQ(watch->ToTheEnd().end, absl::OkStatus());
  EXPECT_EQ(WatchToTheEnd(job).end, absl::OkStatus()) << "their places are free again";
}

}  // namespace
}  // namespace sub1quant
