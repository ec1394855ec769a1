#include "server/services/worker_service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "proto/convert/convert.h"
#include "server/services/call.h"
#include "server/services/result_check.h"
#include "spdlog/spdlog.h"

namespace sub1quant {
namespace {

constexpr double kMaxWaitSeconds = 20;
constexpr int kMaxTasks = 64;
constexpr size_t kMaxMessage = 4000;
constexpr std::chrono::milliseconds kAcquireTick{500};

std::string StageOf(const v1::Task& task) {
  if (task.has_search()) return "search";
  if (task.has_pack()) return "pack";
  if (task.has_score()) return task.score().manifest_sha256().empty() ? "score_base" : "score_quantized";
  return "export";
}

// At most kMaxMessage bytes, cut between characters: proto3 carries no broken UTF-8, and the job's messages go on from
// here to every client.
std::string Shortened(const std::string& message) {
  if (message.size() <= kMaxMessage) return message;
  size_t end = kMaxMessage;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0) == 0x80) --end;
  return message.substr(0, end);
}

// Trying again, on any worker, would end the same.
bool IsFinal(absl::StatusCode code) {
  return code == absl::StatusCode::kInvalidArgument || code == absl::StatusCode::kFailedPrecondition ||
         code == absl::StatusCode::kNotFound || code == absl::StatusCode::kDataLoss ||
         code == absl::StatusCode::kOutOfRange;
}

}  // namespace

absl::StatusOr<WorkerId> WorkerServiceImpl::Hear(const v1::WorkerIdentity& worker) {
  if (worker.session().empty() || worker.session().size() > 64 || worker.name().size() > 256)
    return absl::InvalidArgumentError("worker: a session of 1 to 64 characters and a name of at most 256");
  metrics_.WorkerHeard(worker.session());
  return WorkerId{worker.name(), worker.session(), worker.device(), worker.version()};
}

absl::Status WorkerServiceImpl::WaitForWork(grpc::ServerContext& call, const v1::AcquireRequest& request,
                                            v1::AcquireResponse& response) {
  SUB1QUANT_ASSIGN_OR_RETURN(const WorkerId worker, Hear(request.worker()));
  const LongPolls::Place place(polls_);
  if (!place) return absl::ResourceExhaustedError("too many waiting workers; try again");
  AcquireQuery query{worker,
                     {request.operations().begin(), request.operations().end()},
                     std::clamp(request.max_tasks(), 1, kMaxTasks),
                     request.loaded_model(),
                     request.request_id()};
  const auto wait =
      std::chrono::duration<double>(std::min(std::max(0.0, request.wait_seconds()), kMaxWaitSeconds));  // NaN: 0
  const SteadyTime end = context_.clock.Now() + std::chrono::duration_cast<SteadyTime::duration>(wait);
  while (true) {
    const uint64_t seen = context_.store.ChangeCount();
    SUB1QUANT_ASSIGN_OR_RETURN(const bool draining, context_.store.IsDraining(worker));
    response.set_drain(draining);
    SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<GrantedLease> leases,
                               context_.store.Acquire(query, context_.clock.Now()));
    for (const GrantedLease& granted : leases) {
      v1::Lease& lease = *response.add_leases();
      lease.set_lease_id(granted.lease_id);
      lease.set_ttl_seconds(std::chrono::duration<double>(context_.lease_ttl).count());
      if (!lease.mutable_task()->ParseFromString(granted.payload)) return absl::DataLossError("task in the store");
      lease.set_description(granted.description);
      lease.set_attempt(granted.attempt);
      lease.set_expected_seconds(granted.cost);
    }
    const SteadyTime now = context_.clock.Now();
    if (!leases.empty()) metrics_.LeasesGranted(static_cast<int>(leases.size()));
    if (!leases.empty() || draining || now >= end || stopping_ || call.IsCancelled()) return absl::OkStatus();
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - now) + std::chrono::milliseconds(1);
    context_.store.WaitForChange(seen, std::min(left, kAcquireTick));
  }
}

grpc::Status WorkerServiceImpl::Acquire(grpc::ServerContext* call, const v1::AcquireRequest* request,
                                        v1::AcquireResponse* response) {
  return HandleCall("Acquire", context_, metrics_, *call, [&] { return WaitForWork(*call, *request, *response); });
}

grpc::Status WorkerServiceImpl::Renew(grpc::ServerContext* call, const v1::RenewRequest* request,
                                      v1::RenewResponse* response) {
  return HandleCall("Renew", context_, metrics_, *call, [&]() -> absl::Status {
    SUB1QUANT_ASSIGN_OR_RETURN(const WorkerId worker, Hear(request->worker()));
    std::vector<std::string> held;
    for (const v1::RenewRequest::Held& lease : request->leases()) held.push_back(lease.lease_id());
    SUB1QUANT_ASSIGN_OR_RETURN(const RenewAnswer answer, context_.store.Renew(worker, held, context_.clock.Now()));
    metrics_.Renewed(static_cast<int>(held.size()), static_cast<int>(answer.lost.size()));
    for (const std::string& lost : answer.lost) response->add_lost(lost);
    response->set_ttl_seconds(std::chrono::duration<double>(context_.lease_ttl).count());
    response->set_drain(answer.drain);
    return absl::OkStatus();
  });
}

absl::Status WorkerServiceImpl::AcceptResult(const v1::CompleteRequest& request) {
  SUB1QUANT_ASSIGN_OR_RETURN(const WorkerId worker, Hear(request.worker()));
  SUB1QUANT_ASSIGN_OR_RETURN(const TaskResult result, FromProto(request.result()));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string payload, context_.store.LeasedPayload(request.lease_id()));
  v1::Task task_proto;
  if (!task_proto.ParseFromString(payload)) return absl::DataLossError("task in the store");
  SUB1QUANT_ASSIGN_OR_RETURN(const Task task, FromProto(task_proto));
  SUB1QUANT_RETURN_IF_ERROR(CheckResult(task, result, context_.blobs));
  SUB1QUANT_ASSIGN_OR_RETURN(const bool first,
                             context_.store.Complete(worker, request.lease_id(), ToProto(result).SerializeAsString(),
                                                     std::max(0.0, request.seconds())));
  if (first) metrics_.TaskCompleted(StageOf(task_proto));
  return absl::OkStatus();
}

grpc::Status WorkerServiceImpl::Complete(grpc::ServerContext* call, const v1::CompleteRequest* request,
                                         v1::CompleteResponse*) {
  return HandleCall("Complete", context_, metrics_, *call, [&] {
    const absl::Status status = AcceptResult(*request);
    if (absl::IsFailedPrecondition(status)) metrics_.LostLeaseRejected("complete");
    return status;
  });
}

grpc::Status WorkerServiceImpl::Fail(grpc::ServerContext* call, const v1::FailRequest* request, v1::FailResponse*) {
  return HandleCall("Fail", context_, metrics_, *call, [&]() -> absl::Status {
    SUB1QUANT_ASSIGN_OR_RETURN(const WorkerId worker, Hear(request->worker()));
    const auto code = static_cast<absl::StatusCode>(request->code());
    if (code == absl::StatusCode::kOk) return absl::InvalidArgumentError("code: a failure is not OK");
    spdlog::warn("worker {}: task failed: {}", worker.name, Shortened(request->message()));
    const absl::Status error(code, Shortened(context_.paths.Shown(request->message())));
    const absl::StatusOr<bool> first = context_.store.Fail(worker, request->lease_id(), error, IsFinal(code));
    if (absl::IsFailedPrecondition(first.status())) metrics_.LostLeaseRejected("fail");
    if (first.ok() && *first) metrics_.AttemptFailed(GrpcCodeName(static_cast<grpc::StatusCode>(request->code())));
    return first.status();
  });
}

grpc::Status WorkerServiceImpl::Release(grpc::ServerContext* call, const v1::ReleaseRequest* request,
                                        v1::ReleaseResponse* response) {
  return HandleCall("Release", context_, metrics_, *call, [&]() -> absl::Status {
    SUB1QUANT_ASSIGN_OR_RETURN(const WorkerId worker, Hear(request->worker()));
    SUB1QUANT_ASSIGN_OR_RETURN(
        const int released, context_.store.Release(worker, {request->lease_ids().begin(), request->lease_ids().end()}));
    response->set_released(released);
    if (!request->exit_reason().empty()) metrics_.WorkerExited(worker.session, request->exit_reason());
    return absl::OkStatus();
  });
}

}  // namespace sub1quant
