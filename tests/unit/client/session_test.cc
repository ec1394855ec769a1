// The session against a server of the test's own: lost connections, hostile answers, errors.
#include "client/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "client/outcome.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "scratch.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;

// Tells events 1 to 5; the first stream breaks after the second event, the next one after the fourth.
class FlakyJobs : public v1::JobService::Service {
 public:
  grpc::Status WatchJob(grpc::ServerContext*, const v1::WatchJobRequest* request,
                        grpc::ServerWriter<v1::WatchJobResponse>* writer) override {
    if (request->job() != "j") return {grpc::StatusCode::NOT_FOUND, "no job '" + request->job() + "'"};
    asked_after.push_back(request->after_sequence());
    const int64_t end = std::min<int64_t>(request->after_sequence() + 2, 5);
    for (int64_t sequence = request->after_sequence() + 1; sequence <= end; ++sequence) {
      v1::WatchJobResponse response;
      response.add_events()->set_sequence(sequence);
      response.mutable_job()->set_id("j");
      response.mutable_job()->set_state(sequence == 5 ? v1::JOB_STATE_SUCCEEDED : v1::JOB_STATE_RUNNING);
      writer->Write(response);
    }
    return end < 5 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut") : grpc::Status::OK;
  }
  grpc::Status GetJob(grpc::ServerContext* context, const v1::GetJobRequest* request,
                      v1::GetJobResponse* response) override {
    has_protocol = context->client_metadata().count("sub1quant-protocol") == 1;
    has_deadline = context->deadline() != std::chrono::system_clock::time_point::max();
    response->mutable_job()->set_id(request->job());
    response->mutable_job()->set_state(v1::JOB_STATE_SUCCEEDED);
    response->mutable_job()->add_outputs()->set_path("report.json");
    return grpc::Status::OK;
  }
  grpc::Status CancelJob(grpc::ServerContext*, const v1::CancelJobRequest*, v1::CancelJobResponse*) override {
    return {grpc::StatusCode::UNAUTHENTICATED, "who are you"};
  }
  std::vector<int64_t> asked_after;
  bool has_protocol = false, has_deadline = false;
};

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    const std::string address = "unix:" + (scratch_ / "s");
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(&jobs_);
    server_ = builder.BuildAndStart();
    session_ = *Session::Open(address);
  }
  Scratch scratch_;
  FlakyJobs jobs_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Session> session_;
};

TEST_F(SessionTest, WatchGoesOnAfterTheLastEventSeen) {
  std::vector<int64_t> seen;
  WatchOptions options;
  options.on_update = [&](const v1::WatchJobResponse& update) { seen.push_back(update.events(0).sequence()); };
  const auto job = session_->Watch("j", options);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_THAT(seen, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(jobs_.asked_after, ElementsAre(0, 2, 4));
  EXPECT_EQ(job->outputs_size(), 1);  // the watch itself carries none
}

TEST_F(SessionTest, WatchEndsForAnUnknownJob) {
  const auto job = session_->Watch("other", {});
  EXPECT_EQ(ExitCodeOf(job.status()), ExitCode::kNotFound);
}

TEST_F(SessionTest, WatchEndsWhenItIsNoLongerWorthwhile) {
  WatchOptions options;
  options.still_worthwhile = [] { return absl::InternalError("server is gone for good"); };
  EXPECT_EQ(session_->Watch("j", options).status().code(), absl::StatusCode::kInternal);
}

TEST_F(SessionTest, StopWatchingEndsIt) {
  WatchOptions options;
  options.on_update = [&](const v1::WatchJobResponse&) { session_->StopWatching(); };
  EXPECT_EQ(session_->Watch("j", options).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(SessionTest, EveryCallHasProtocolAndDeadline) {
  ASSERT_TRUE(session_->Get("j").ok());
  EXPECT_TRUE(jobs_.has_protocol);
  EXPECT_TRUE(jobs_.has_deadline);
}

TEST_F(SessionTest, RefusedIsSix) { EXPECT_EQ(ExitCodeOf(session_->Cancel("j")), ExitCode::kRefused); }

TEST(Session, AnAddressThatIsNoneIsWrongUsage) {
  EXPECT_EQ(ExitCodeOf(Session::Open("no address").status()), ExitCode::kUsage);
}

}  // namespace
}  // namespace sub1quant
