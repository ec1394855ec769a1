// The three services over a real store and a real blob directory, behind a real listener on a Unix socket; the clock is
// in the test's hand. The directory's name needs escaping in a gRPC address.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/channel/channel.h"
#include "server/conductor.h"
#include "server/listener.h"
#include "server/services/blob_service.h"
#include "server/services/job_service.h"
#include "server/services/worker_service.h"
#include "server/store/sqlite_store.h"
#include "tests/support/fake_answers.h"
#include "tests/support/manual_clock.h"

namespace sub1quant {

// Code and a part of the message: EXPECT_THAT(status, Refused(absl::StatusCode::kNotFound, "blob")).
MATCHER_P2(Refused, code, text, "") {
  *result_listener << arg.ToString();
  return arg.code() == code && std::string(arg.message()).find(text) != std::string::npos;
}

// With client and server in one process, gRPC 1.51's default poller now and then misses a wakeup until the server's
// next look, 10 s later (between two processes it does not). Set before gRPC starts.
inline const int kPollStrategy = setenv("GRPC_POLL_STRATEGY", "poll", 1);

class ServiceTest : public ::testing::Test {
 protected:
  static constexpr std::chrono::seconds kTimeout{30};
  static constexpr std::chrono::seconds kLeaseTtl{30};
  static constexpr int kLongPolls = 3;

  ServiceTest() {
    clock_.Advance(std::chrono::seconds(1));
    std::filesystem::create_directory(directory_ + "/other");
    blobs_ = OpenBlobDirectory(directory_ + "/blobs").value();
    store_ = OpenSqliteStore(clock_, *ids_, {directory_ + "/store", kLeaseTtl}).value();
    context_.reset(new ServiceContext{clock_,
                                      *ids_,
                                      *store_,
                                      *blobs_,
                                      {{"models", {SUB1QUANT_TESTDATA, false}}, {"other", {directory_ + "/other"}}},
                                      kLeaseTtl});
    metrics_ = std::make_unique<ServerMetrics>(clock_, *store_);
    conductor_ = std::make_unique<Conductor>(*context_, *metrics_);
    job_service_ = std::make_unique<JobServiceImpl>(*context_, *metrics_, polls_);
    worker_service_ = std::make_unique<WorkerServiceImpl>(*context_, *metrics_, polls_);
    blob_service_ = std::make_unique<BlobServiceImpl>(*context_, *metrics_);
    listener_ = Listen(address_, {job_service_.get(), worker_service_.get(), blob_service_.get()}).value();
    channel_ = DialServer(address_);
    jobs_ = v1::JobService::NewStub(channel_);
    workers_ = v1::WorkerService::NewStub(channel_);
    bytes_ = v1::BlobService::NewStub(channel_);
  }
  ~ServiceTest() override {
    job_service_->Stop();
    worker_service_->Stop();
    listener_.server->Shutdown(std::chrono::system_clock::now());
    listener_.server.reset();
    conductor_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  // --- Jobs ---
  // Of the small model: search, pack and, with a text, scores.
  JobSpecification SmallJob() {
    JobSpecification job = testing::TinyJob(*blobs_, 100);
    job.formats = {"int2_base", "groupwise_int4"};
    return job;
  }
  absl::StatusOr<v1::SubmitJobResponse> Submit(const JobSpecification& job, const std::string& key = "") {
    v1::SubmitJobRequest request;
    request.set_idempotency_key(key);
    *request.mutable_specification() = ToProto(job);
    return CallUnary(*jobs_, &v1::JobService::Stub::SubmitJob, request, kTimeout);
  }
  // Submitted, inspected, its first tasks ready.
  std::string StartSmallJob() {
    const auto submitted = Submit(SmallJob());
    EXPECT_TRUE(submitted.ok()) << submitted.status();
    Conduct();
    return submitted.ok() ? submitted->job() : "";
  }
  void Conduct() {
    while (conductor_->Step()) {
    }
  }
  absl::StatusOr<v1::Job> GetJob(const std::string& job) {
    v1::GetJobRequest request;
    request.set_job(job);
    const auto response = CallUnary(*jobs_, &v1::JobService::Stub::GetJob, request, kTimeout);
    if (!response.ok()) return response.status();
    return response->job();
  }
  absl::Status CancelJob(const std::string& job) {
    v1::CancelJobRequest request;
    request.set_job(job);
    return CallUnary(*jobs_, &v1::JobService::Stub::CancelJob, request, kTimeout).status();
  }
  absl::Status DeleteJob(const std::string& job) {
    v1::DeleteJobRequest request;
    request.set_job(job);
    return CallUnary(*jobs_, &v1::JobService::Stub::DeleteJob, request, kTimeout).status();
  }

  // --- Workers ---
  static v1::WorkerIdentity Identity(const std::string& session) {
    v1::WorkerIdentity worker;
    worker.set_name("worker-" + session);
    worker.set_session(session);
    worker.set_device("cpu");
    return worker;
  }
  static v1::AcquireRequest AcquireRequest(const std::string& session, const std::vector<std::string>& operations) {
    v1::AcquireRequest request;
    *request.mutable_worker() = Identity(session);
    for (const std::string& operation : operations) request.add_operations(operation);
    request.set_max_tasks(1);
    return request;
  }
  absl::StatusOr<v1::AcquireResponse> Acquire(const v1::AcquireRequest& request) {
    return CallUnary(*workers_, &v1::WorkerService::Stub::Acquire, request, kTimeout);
  }
  // Exactly one lease, at once.
  v1::Lease AcquireOne(const std::string& session, const std::string& operation) {
    const auto response = Acquire(AcquireRequest(session, {operation}));
    EXPECT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response.ok() ? response->leases_size() : 0, 1);
    return response.ok() && response->leases_size() == 1 ? response->leases(0) : v1::Lease();
  }
  absl::Status Complete(const std::string& session, const v1::Lease& lease, const TaskResult& result) {
    v1::CompleteRequest request;
    *request.mutable_worker() = Identity(session);
    request.set_lease_id(lease.lease_id());
    *request.mutable_result() = ToProto(result);
    request.set_seconds(1);
    return CallUnary(*workers_, &v1::WorkerService::Stub::Complete, request, kTimeout).status();
  }
  absl::Status Fail(const std::string& session, const v1::Lease& lease, int code, const std::string& message) {
    v1::FailRequest request;
    *request.mutable_worker() = Identity(session);
    request.set_lease_id(lease.lease_id());
    request.set_code(code);
    request.set_message(message);
    return CallUnary(*workers_, &v1::WorkerService::Stub::Fail, request, kTimeout).status();
  }
  absl::StatusOr<v1::RenewResponse> Renew(const std::string& session, const v1::Lease& lease) {
    v1::RenewRequest request;
    *request.mutable_worker() = Identity(session);
    request.add_leases()->set_lease_id(lease.lease_id());
    return CallUnary(*workers_, &v1::WorkerService::Stub::Renew, request, kTimeout);
  }
  // Does every task there is, and lets the server go on, until nothing moves.
  void WorkToTheEnd() {
    for (Conduct();; Conduct()) {
      const auto response = Acquire(AcquireRequest("s1", {"search", "pack", "score", "export"}));
      ASSERT_TRUE(response.ok()) << response.status();
      if (response->leases().empty()) return;
      for (const v1::Lease& lease : response->leases())
        ASSERT_EQ(Complete("s1", lease, Answer(lease)), absl::OkStatus()) << lease.description();
    }
  }

  TaskResult Answer(const v1::Lease& lease) {
    return testing::FakeAnswers(*blobs_).Answer(FromProto(lease.task()).value());
  }

  static std::string NewDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "sub1quant svc 100%41-XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    return pattern;
  }

  const std::string directory_ = NewDirectory();
  const std::string address_ = "unix:" + directory_ + "/socket";
  testing::ManualClock clock_;
  std::unique_ptr<IdGenerator> ids_ = NewRandomIdGenerator();
  LongPolls polls_{kLongPolls};
  std::unique_ptr<BlobStore> blobs_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<ServiceContext> context_;
  std::unique_ptr<ServerMetrics> metrics_;
  std::unique_ptr<Conductor> conductor_;
  std::unique_ptr<JobServiceImpl> job_service_;
  std::unique_ptr<WorkerServiceImpl> worker_service_;
  std::unique_ptr<BlobServiceImpl> blob_service_;
  Listener listener_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
  std::unique_ptr<v1::WorkerService::Stub> workers_;
  std::unique_ptr<v1::BlobService::Stub> bytes_;
};

}  // namespace sub1quant
