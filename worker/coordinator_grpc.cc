#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/failpoint.h"
#include "core/status.h"
#include "proto/channel/channel.h"
#include "proto/convert/convert.h"
#include "sub1quant/v1/workers.grpc.pb.h"
#include "worker/coordinator.h"

namespace sub1quant {
namespace {

using std::chrono::milliseconds;
using Stub = v1::WorkerService::Stub;

constexpr milliseconds kCallTimeout{10'000};
// gRPC messages are cut short rather than refused.
constexpr size_t kMaxMessage = 4096;

// A server that says nonsense must not make a worker spin or hold for ever.
milliseconds TtlFrom(double seconds) {
  if (!std::isfinite(seconds)) seconds = 30;
  return milliseconds(static_cast<int64_t>(std::clamp(seconds, 1.0, 3600.0) * 1000));
}

// Cut between characters: proto3 carries no broken UTF-8, and a report that cannot be read would be sent for ever.
std::string Shortened(std::string message) {
  if (message.size() <= kMaxMessage) return message;
  size_t end = kMaxMessage;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0) == 0x80) --end;
  message.resize(end);
  return message;
}

double ExpectedFrom(double seconds) { return std::isfinite(seconds) ? std::clamp(seconds, 0.0, 1e6) : 0; }

absl::StatusOr<Task> TaskFrom(const v1::Task& proto) {
  if (proto.kind_case() == v1::Task::KIND_NOT_SET) {
    return absl::UnimplementedError("this worker does not know the kind of this task: it is older than the server");
  }
  return FromProto(proto);
}

class GrpcCoordinator final : public Coordinator {
 public:
  GrpcCoordinator(std::shared_ptr<grpc::Channel> channel, const WorkerIdentity& identity, PathNames paths)
      : stub_(v1::WorkerService::NewStub(std::move(channel))), paths_(std::move(paths)) {
    identity_.set_name(identity.name);
    identity_.set_session(identity.session);
    identity_.set_device(identity.device);
    identity_.set_version(identity.version);
  }

  absl::StatusOr<Acquired> Acquire(const AcquireCall& call) override {
    v1::AcquireRequest request;
    *request.mutable_worker() = identity_;
    for (const char* operation : {"search", "pack", "score", "export"}) request.add_operations(operation);
    request.set_max_tasks(call.max_tasks);
    request.set_wait_seconds(std::chrono::duration<double>(call.wait).count());
    request.set_loaded_model(call.loaded_model);
    request.set_request_id(call.request_id);

    const std::unique_ptr<grpc::ClientContext> context = NewCall(call.wait + kCallTimeout);
    if (!BeginAcquire(context.get())) return absl::CancelledError("no more tasks wanted");
    v1::AcquireResponse response;
    const absl::Status status = FromGrpc(stub_->Acquire(context.get(), request, &response));
    EndAcquire();
    SUB1QUANT_RETURN_IF_ERROR(status);

    Acquired acquired;
    acquired.drain = response.drain();
    for (const v1::Lease& lease : response.leases()) {
      acquired.leases.push_back({lease.lease_id(), TtlFrom(lease.ttl_seconds()), TaskFrom(lease.task()),
                                 lease.description(), lease.attempt(), ExpectedFrom(lease.expected_seconds())});
    }
    return acquired;
  }

  void StopAcquiring() override {
    std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
    if (acquiring_ != nullptr) acquiring_->TryCancel();
  }

  absl::StatusOr<Renewal> Renew(const std::vector<Held>& leases, milliseconds timeout) override {
    v1::RenewRequest request;
    *request.mutable_worker() = identity_;
    for (const Held& held : leases) {
      v1::RenewRequest::Held* entry = request.add_leases();
      entry->set_lease_id(held.lease_id);
      entry->set_progress(held.progress);
    }
    SUB1QUANT_ASSIGN_OR_RETURN(const v1::RenewResponse response, CallUnary(*stub_, &Stub::Renew, request, timeout));
    return Renewal{{response.lost().begin(), response.lost().end()}, TtlFrom(response.ttl_seconds()), response.drain()};
  }

  absl::Status Complete(const std::string& lease_id, const TaskResult& result, double seconds) override {
    SUB1QUANT_RETURN_IF_ERROR(Failpoint("worker.before_complete"));
    v1::CompleteRequest request;
    *request.mutable_worker() = identity_;
    request.set_lease_id(lease_id);
    *request.mutable_result() = ToProto(result);
    request.set_seconds(seconds);
    return CallUnary(*stub_, &Stub::Complete, request, kCallTimeout).status();
  }

  absl::Status Fail(const std::string& lease_id, const absl::Status& failure) override {
    v1::FailRequest request;
    *request.mutable_worker() = identity_;
    request.set_lease_id(lease_id);
    request.set_code(static_cast<int>(failure.code()));
    request.set_message(Shortened(paths_.Shown(std::string(failure.message()))));
    return CallUnary(*stub_, &Stub::Fail, request, kCallTimeout).status();
  }

  absl::Status Release(const std::vector<std::string>& lease_ids, const std::string& exit_reason) override {
    v1::ReleaseRequest request;
    *request.mutable_worker() = identity_;
    for (const std::string& id : lease_ids) request.add_lease_ids(id);
    request.set_exit_reason(exit_reason);
    // Short: releasing is a courtesy on the way out, leases end by themselves.
    return CallUnary(*stub_, &Stub::Release, request, milliseconds(2'000)).status();
  }

 private:
  bool BeginAcquire(grpc::ClientContext* context) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopped_) return false;
    acquiring_ = context;
    return true;
  }
  void EndAcquire() {
    std::lock_guard<std::mutex> lock(mutex_);
    acquiring_ = nullptr;
  }

  std::unique_ptr<Stub> stub_;
  const PathNames paths_;
  v1::WorkerIdentity identity_;
  std::mutex mutex_;
  grpc::ClientContext* acquiring_ = nullptr;  // guarded by mutex_
  bool stopped_ = false;                      // guarded by mutex_
};

}  // namespace

std::unique_ptr<Coordinator> NewGrpcCoordinator(std::shared_ptr<grpc::Channel> channel, const WorkerIdentity& identity,
                                                PathNames paths) {
  return std::make_unique<GrpcCoordinator>(std::move(channel), identity, std::move(paths));
}

}  // namespace sub1quant
