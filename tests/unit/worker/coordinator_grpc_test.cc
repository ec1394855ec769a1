// The stub against a WorkerService in this process, over a Unix socket.
#include <stdlib.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "core/check.h"
#include "gmock/gmock.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "proto/channel/channel.h"
#include "sub1quant/v1/workers.grpc.pb.h"
#include "worker/coordinator.h"

namespace sub1quant {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

class RecordingServer final : public v1::WorkerService::Service {
 public:
  RecordingServer() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sub1quant-worker-XXXXXX").string();
    SUB1QUANT_CHECK(mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    SUB1QUANT_CHECK(server_ != nullptr);
  }
  ~RecordingServer() override {
    server_->Shutdown(std::chrono::system_clock::now());
    std::filesystem::remove_all(directory_);
  }
  std::string address() const { return "unix:" + directory_ + "/socket"; }

  v1::AcquireRequest acquire;
  v1::AcquireResponse acquire_response;
  v1::RenewRequest renew;
  v1::RenewResponse renew_response;
  v1::CompleteRequest complete;
  v1::FailRequest fail;
  v1::ReleaseRequest release;
  bool hang = false;  // Acquire answers only when the caller has gone

  void AwaitCall() {
    std::unique_lock<std::mutex> lock(mutex_);
    called_.wait(lock, [this] { return acquiring_; });
  }

 private:
  grpc::Status Acquire(grpc::ServerContext* context, const v1::AcquireRequest* request,
                       v1::AcquireResponse* response) override {
    acquire = *request;
    *response = acquire_response;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      acquiring_ = true;
      called_.notify_all();
    }
    while (hang && !context->IsCancelled()) std::this_thread::yield();
    return grpc::Status::OK;
  }
  grpc::Status Renew(grpc::ServerContext*, const v1::RenewRequest* request, v1::RenewResponse* response) override {
    renew = *request;
    *response = renew_response;
    return grpc::Status::OK;
  }
  grpc::Status Complete(grpc::ServerContext*, const v1::CompleteRequest* request, v1::CompleteResponse*) override {
    complete = *request;
    return {grpc::StatusCode::FAILED_PRECONDITION, "lease lost"};
  }
  grpc::Status Fail(grpc::ServerContext*, const v1::FailRequest* request, v1::FailResponse*) override {
    fail = *request;
    return grpc::Status::OK;
  }
  grpc::Status Release(grpc::ServerContext*, const v1::ReleaseRequest* request, v1::ReleaseResponse*) override {
    release = *request;
    return grpc::Status::OK;
  }

  std::string directory_;
  std::mutex mutex_;
  std::condition_variable called_;
  bool acquiring_ = false;  // guarded by mutex_
  std::unique_ptr<grpc::Server> server_;
};

class GrpcCoordinatorTest : public ::testing::Test {
 protected:
  static PathNames Names() {
    PathNames names;
    names.Add("/srv/my models", "models");
    return names;
  }
  RecordingServer server_;
  std::unique_ptr<Coordinator> coordinator_ =
      NewGrpcCoordinator(DialServer(server_.address()), {"name", "session", "cpu", "1.2.3"}, Names());
};

TEST_F(GrpcCoordinatorTest, AcquireCarriesWhatTheServerNeedsToChoose) {
  v1::Lease* lease = server_.acquire_response.add_leases();
  lease->set_lease_id("secret");
  lease->set_ttl_seconds(12.5);
  lease->set_description("search 1");
  lease->set_attempt(2);
  lease->set_expected_seconds(2.5);
  v1::ExportTask* task = lease->mutable_task()->mutable_export_();
  task->mutable_model()->set_root("r");
  task->set_manifest_sha256(std::string(64, 'a'));
  task->set_target("pt");
  server_.acquire_response.add_leases()->set_lease_id("newer kind");
  server_.acquire_response.set_drain(true);

  const auto acquired = coordinator_->Acquire({7, milliseconds(1'500), "loaded", "request"});
  ASSERT_TRUE(acquired.ok()) << acquired.status();
  EXPECT_EQ(server_.acquire.worker().session(), "session");
  EXPECT_EQ(server_.acquire.worker().version(), "1.2.3");
  EXPECT_THAT(server_.acquire.operations(), ElementsAre("search", "pack", "score", "export"));
  EXPECT_EQ(server_.acquire.max_tasks(), 7);
  EXPECT_EQ(server_.acquire.wait_seconds(), 1.5);
  EXPECT_EQ(server_.acquire.loaded_model(), "loaded");
  EXPECT_EQ(server_.acquire.request_id(), "request");
  EXPECT_TRUE(acquired->drain);
  ASSERT_EQ(acquired->leases.size(), 2u);
  EXPECT_EQ(acquired->leases[0].id, "secret");
  EXPECT_EQ(acquired->leases[0].ttl, milliseconds(12'500));
  ASSERT_TRUE(acquired->leases[0].task.ok()) << acquired->leases[0].task.status();
  EXPECT_EQ(std::get<ExportTask>(*acquired->leases[0].task).target, "pt");
  EXPECT_EQ(acquired->leases[0].expected_seconds, 2.5);
  EXPECT_TRUE(absl::IsUnimplemented(acquired->leases[1].task.status()));
}

TEST_F(GrpcCoordinatorTest, ANonsensicalTimeToLiveIsBounded) {
  for (const double ttl : {0.0, -5.0, 1e300, std::numeric_limits<double>::quiet_NaN()}) {
    server_.renew_response.set_ttl_seconds(ttl);
    const auto renewal = coordinator_->Renew({{"a", 0.5}}, milliseconds(10'000));
    ASSERT_TRUE(renewal.ok());
    EXPECT_GE(renewal->ttl, milliseconds(1'000));
    EXPECT_LE(renewal->ttl, milliseconds(3'600'000));
  }
  EXPECT_EQ(server_.renew.leases(0).lease_id(), "a");
  EXPECT_EQ(server_.renew.leases(0).progress(), 0.5);
}

TEST_F(GrpcCoordinatorTest, ReportsKeepTheirCodes) {
  EXPECT_EQ(coordinator_->Complete("a", TaskResult(ExportResult{std::string(64, 'b'), 5}), 1.5),
            absl::FailedPreconditionError("lease lost"));
  EXPECT_EQ(server_.complete.result().export_().blob_bytes(), 5u);
  EXPECT_EQ(server_.complete.seconds(), 1.5);
  EXPECT_TRUE(coordinator_->Fail("b", absl::DataLossError(std::string(100'000, 'x'))).ok());
  EXPECT_EQ(server_.fail.code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(server_.fail.message().size(), 4096u);
  EXPECT_TRUE(coordinator_->Release({"c", "d"}, "drained").ok());
  EXPECT_THAT(server_.release.lease_ids(), ElementsAre("c", "d"));
  EXPECT_EQ(server_.release.worker().session(), "session");
  EXPECT_EQ(server_.release.exit_reason(), "drained");
}

// A job's error goes to its client, who has no business with this machine's directories.
TEST_F(GrpcCoordinatorTest, FailuresNameModelsAndNotWhereTheyLie) {
  EXPECT_TRUE(coordinator_->Fail("b", absl::NotFoundError("read /srv/my models/a/config.json: gone")).ok());
  EXPECT_EQ(server_.fail.message(), "read models/a/config.json: gone");
}

TEST_F(GrpcCoordinatorTest, ALongFailureIsCutBetweenCharacters) {
  for (size_t shift = 0; shift < 4; ++shift) {
    std::string message(shift, 'x');
    while (message.size() < 5000) message += "\U0001F4A5";
    EXPECT_EQ(coordinator_->Fail("b", absl::InternalError(message)), absl::OkStatus());
    EXPECT_EQ(server_.fail.message(), message.substr(0, shift + (4096 - shift) / 4 * 4));
  }
}

TEST_F(GrpcCoordinatorTest, ANonsensicalExpectationIsNone) {
  for (const double expected :
       {-5.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    server_.acquire_response.Clear();
    server_.acquire_response.add_leases()->set_expected_seconds(expected);
    const auto acquired = coordinator_->Acquire({1, milliseconds(0), "", ""});
    ASSERT_TRUE(acquired.ok());
    EXPECT_EQ(acquired->leases.at(0).expected_seconds, 0);
  }
}

TEST_F(GrpcCoordinatorTest, StopAcquiringEndsALongPollAtOnce) {
  server_.hang = true;
  std::thread poll([this] {
    EXPECT_TRUE(absl::IsCancelled(coordinator_->Acquire({1, milliseconds(20'000), "", "r"}).status()));
  });
  server_.AwaitCall();
  coordinator_->StopAcquiring();
  poll.join();
  EXPECT_TRUE(absl::IsCancelled(coordinator_->Acquire({1, milliseconds(0), "", "r"}).status()));
}

}  // namespace
}  // namespace sub1quant
