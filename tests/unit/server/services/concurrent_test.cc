// All that a running server does at once, for ThreadSanitizer to look at (scripts/test.sh tsan): the other tests call
// one after the other and would never show it a race between two handlers.
#include <atomic>
#include <thread>

#include "tests/unit/server/services/fixture.h"

namespace sub1quant {
namespace {

class ConcurrentTest : public ServiceTest {
 protected:
  // Takes tasks, renews and answers them; waits for the next like a real worker.
  void Work(const std::string& session) {
    v1::AcquireRequest request = AcquireRequest(session, {"search", "pack", "score", "export"});
    request.set_wait_seconds(20);
    while (!done_) {
      const auto response = Acquire(request);
      if (absl::IsResourceExhausted(response.status())) continue;  // all places for calls that wait are taken
      ASSERT_TRUE(response.ok()) << response.status();
      for (const v1::Lease& lease : response->leases()) {
        const auto renewed = Renew(session, lease);
        ASSERT_TRUE(renewed.ok()) << renewed.status();
        if (!renewed->lost().empty()) continue;  // of the cancelled job
        const absl::Status completed = Complete(session, lease, Answer(lease));
        EXPECT_TRUE(completed.ok() || absl::IsFailedPrecondition(completed)) << completed;
      }
    }
  }
  // Comes back as often as all places for calls that wait are taken.
  v1::Job WatchToTheEnd(const std::string& job) {
    while (true) {
      const v1::Job now = GetJob(job).value();
      if (now.state() != v1::JOB_STATE_ACCEPTED && now.state() != v1::JOB_STATE_RUNNING) return now;
      v1::WatchJobRequest request;
      request.set_job(job);
      const auto call = NewCall(kTimeout);
      const auto reader = jobs_->WatchJob(call.get(), request);
      v1::WatchJobResponse response;
      while (reader->Read(&response)) {
      }
      const absl::Status end = FromGrpc(reader->Finish());
      EXPECT_TRUE(end.ok() || absl::IsUnavailable(end) || absl::IsResourceExhausted(end)) << end;
    }
  }
  // What dashboards and `sub1quant jobs`, `workers` ask for.
  void LookOn(const std::string& blob) {
    v1::StatBlobRequest stat;
    stat.set_sha256(blob);
    while (!done_) {
      EXPECT_NE(metrics_->Scrape(), "");
      EXPECT_TRUE(CallUnary(*jobs_, &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(), kTimeout).ok());
      EXPECT_TRUE(CallUnary(*jobs_, &v1::JobService::Stub::ListWorkers, v1::ListWorkersRequest(), kTimeout).ok());
      EXPECT_TRUE(CallUnary(*bytes_, &v1::BlobService::Stub::StatBlob, stat, kTimeout).ok());
    }
  }

  std::atomic<bool> done_{false};
};

TEST_F(ConcurrentTest, JobsEndWhileEveryServiceIsCalled) {
  std::thread conducting([&] { conductor_->Run(); });
  std::vector<std::thread> callers;
  for (const char* session : {"s1", "s2", "s3"}) callers.emplace_back([this, session] { Work(session); });
  callers.emplace_back([this, blob = SmallJob().corpus_sha256] { LookOn(blob); });

  const std::string first = Submit(SmallJob())->job(), second = Submit(SmallJob())->job();
  const std::string unwanted = Submit(SmallJob())->job();
  v1::Job second_end;
  std::thread watching([&] { second_end = WatchToTheEnd(second); });
  EXPECT_EQ(CancelJob(unwanted), absl::OkStatus());
  const v1::Job first_end = WatchToTheEnd(first);
  watching.join();
  const v1::Job unwanted_end = WatchToTheEnd(unwanted);

  done_ = true;
  worker_service_->Stop();
  for (std::thread& caller : callers) caller.join();
  conductor_->Stop();
  conducting.join();
  EXPECT_EQ(first_end.state(), v1::JOB_STATE_SUCCEEDED) << first_end.error_message();
  EXPECT_EQ(second_end.state(), v1::JOB_STATE_SUCCEEDED) << second_end.error_message();
  EXPECT_EQ(unwanted_end.state(), v1::JOB_STATE_CANCELLED) << unwanted_end.error_message();
}

}  // namespace
}  // namespace sub1quant
