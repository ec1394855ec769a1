// WorkerService of workers.proto.
#pragma once

#include "server/metrics.h"
#include "server/service_context.h"
#include "server/services/long_polls.h"
#include "sub1quant/v1/workers.grpc.pb.h"

namespace sub1quant {

class WorkerServiceImpl final : public v1::WorkerService::Service {
 public:
  WorkerServiceImpl(ServiceContext& context, ServerMetrics& metrics, LongPolls& polls)
      : context_(context), metrics_(metrics), polls_(polls) {}

  // Ends waiting Acquires with an empty answer.
  void Stop() { stopping_ = true; }

  grpc::Status Acquire(grpc::ServerContext*, const v1::AcquireRequest*, v1::AcquireResponse*) override;
  grpc::Status Renew(grpc::ServerContext*, const v1::RenewRequest*, v1::RenewResponse*) override;
  grpc::Status Complete(grpc::ServerContext*, const v1::CompleteRequest*, v1::CompleteResponse*) override;
  grpc::Status Fail(grpc::ServerContext*, const v1::FailRequest*, v1::FailResponse*) override;
  grpc::Status Release(grpc::ServerContext*, const v1::ReleaseRequest*, v1::ReleaseResponse*) override;

 private:
  // The caller, from whom the server has now heard; InvalidArgument if it does not say who it is.
  absl::StatusOr<WorkerId> Hear(const v1::WorkerIdentity& worker);
  absl::Status WaitForWork(grpc::ServerContext& call, const v1::AcquireRequest& request, v1::AcquireResponse& response);
  absl::Status AcceptResult(const v1::CompleteRequest& request);

  ServiceContext& context_;
  ServerMetrics& metrics_;
  LongPolls& polls_;
  std::atomic<bool> stopping_{false};
};

}  // namespace sub1quant
