// JobService of jobs.proto.
#pragma once

#include "server/metrics.h"
#include "server/service_context.h"
#include "server/services/long_polls.h"
#include "sub1quant/v1/jobs.grpc.pb.h"

namespace sub1quant {

class JobServiceImpl final : public v1::JobService::Service {
 public:
  JobServiceImpl(ServiceContext& context, ServerMetrics& metrics, LongPolls& polls)
      : context_(context), metrics_(metrics), polls_(polls) {}

  // Ends running watches, which then answer Unavailable.
  void Stop() { stopping_ = true; }

  grpc::Status SubmitJob(grpc::ServerContext*, const v1::SubmitJobRequest*, v1::SubmitJobResponse*) override;
  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest*, v1::GetJobResponse*) override;
  grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest*, v1::ListJobsResponse*) override;
  grpc::Status WatchJob(grpc::ServerContext*, const v1::WatchJobRequest*,
                        grpc::ServerWriter<v1::WatchJobResponse>*) override;
  grpc::Status CancelJob(grpc::ServerContext*, const v1::CancelJobRequest*, v1::CancelJobResponse*) override;
  grpc::Status DeleteJob(grpc::ServerContext*, const v1::DeleteJobRequest*, v1::DeleteJobResponse*) override;
  grpc::Status GetServerInfo(grpc::ServerContext*, const v1::GetServerInfoRequest*,
                             v1::GetServerInfoResponse*) override;
  grpc::Status ListWorkers(grpc::ServerContext*, const v1::ListWorkersRequest*, v1::ListWorkersResponse*) override;
  grpc::Status DrainWorker(grpc::ServerContext*, const v1::DrainWorkerRequest*, v1::DrainWorkerResponse*) override;

 private:
  absl::Status Submit(const v1::SubmitJobRequest& request, v1::SubmitJobResponse& response);
  absl::Status Watch(grpc::ServerContext& call, const v1::WatchJobRequest& request,
                     grpc::ServerWriter<v1::WatchJobResponse>& writer);
  double WallSeconds() const;

  ServiceContext& context_;
  ServerMetrics& metrics_;
  LongPolls& polls_;
  std::atomic<bool> stopping_{false};
};

}  // namespace sub1quant
