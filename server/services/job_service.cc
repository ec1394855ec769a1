#include "server/services/job_service.h"

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "core/version.h"
#include "proto/convert/convert.h"
#include "server/flow/stages.h"
#include "server/services/call.h"
#include "server/services/messages.h"

namespace sub1quant {
namespace {

constexpr int kEventsAtOnce = 500;
constexpr std::chrono::milliseconds kWatchTick{500};
constexpr size_t kMaxKey = 256;

}  // namespace

double JobServiceImpl::WallSeconds() const {
  return std::chrono::duration<double>(context_.clock.WallNow().time_since_epoch()).count();
}

absl::Status JobServiceImpl::Submit(const v1::SubmitJobRequest& request, v1::SubmitJobResponse& response) {
  SUB1QUANT_ASSIGN_OR_RETURN(const JobSpecification specification, FromProto(request.specification()));
  SUB1QUANT_RETURN_IF_ERROR(Validate(specification));
  if (request.idempotency_key().size() > kMaxKey)
    return absl::InvalidArgumentError(absl::StrCat("idempotency_key: at most ", kMaxKey, " bytes"));
  SUB1QUANT_RETURN_IF_ERROR(OpenModel(context_, specification.model_root, specification.model_path).status());
  for (const std::string& blob : {specification.corpus_sha256, specification.checkpoint_manifest_sha256})
    if (!blob.empty()) SUB1QUANT_RETURN_IF_ERROR(context_.blobs.Size(blob).status());
  JobRecord job;
  job.id = context_.ids.NewId();
  job.idempotency_key = request.idempotency_key().empty() ? job.id : request.idempotency_key();
  job.specification = ToJson(specification).dump();
  job.created_at = WallSeconds();
  SUB1QUANT_ASSIGN_OR_RETURN(const StateStore::Created created, context_.store.CreateJob(job, StagesOf(specification)));
  response.set_job(created.id);
  response.set_created(created.created);
  return absl::OkStatus();
}

grpc::Status JobServiceImpl::SubmitJob(grpc::ServerContext* call, const v1::SubmitJobRequest* request,
                                       v1::SubmitJobResponse* response) {
  return HandleCall("SubmitJob", context_, metrics_, *call, [&] { return Submit(*request, *response); });
}

grpc::Status JobServiceImpl::GetJob(grpc::ServerContext* call, const v1::GetJobRequest* request,
                                    v1::GetJobResponse* response) {
  return HandleCall("GetJob", context_, metrics_, *call, [&]() -> absl::Status {
    SUB1QUANT_ASSIGN_OR_RETURN(const JobRecord record, context_.store.GetJob(request->job()));
    SUB1QUANT_ASSIGN_OR_RETURN(*response->mutable_job(), MakeJob(context_.store, record, true, WallSeconds()));
    return absl::OkStatus();
  });
}

grpc::Status JobServiceImpl::ListJobs(grpc::ServerContext* call, const v1::ListJobsRequest*,
                                      v1::ListJobsResponse* response) {
  return HandleCall("ListJobs", context_, metrics_, *call, [&]() -> absl::Status {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<JobRecord> records, context_.store.ListJobs());
    for (const JobRecord& record : records) {
      SUB1QUANT_ASSIGN_OR_RETURN(*response->add_jobs(), MakeJob(context_.store, record, false, WallSeconds()));
    }
    return absl::OkStatus();
  });
}

absl::Status JobServiceImpl::Watch(grpc::ServerContext& call, const v1::WatchJobRequest& request,
                                   grpc::ServerWriter<v1::WatchJobResponse>& writer) {
  const LongPolls::Place place(polls_);
  if (!place) return absl::ResourceExhaustedError("too many watchers; try again");
  int64_t after = request.after_sequence();
  for (bool first = true; !call.IsCancelled() && !stopping_; first = false) {
    const uint64_t seen = context_.store.ChangeCount();
    // The job before its events: an ended job then has all of its events behind it.
    SUB1QUANT_ASSIGN_OR_RETURN(const JobRecord record, context_.store.GetJob(request.job()));
    SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<EventRecord> events,
                               context_.store.Events(request.job(), after, kEventsAtOnce));
    if (first || !events.empty()) {
      v1::WatchJobResponse response;
      for (const EventRecord& event : events) *response.add_events() = MakeEvent(event);
      SUB1QUANT_ASSIGN_OR_RETURN(*response.mutable_job(), MakeJob(context_.store, record, false, WallSeconds()));
      if (!writer.Write(response)) return absl::CancelledError("the watcher has gone");
      if (!events.empty()) after = events.back().sequence;
      if (events.size() == kEventsAtOnce) continue;
    }
    if (Ended(record.state)) return absl::OkStatus();
    context_.store.WaitForChange(seen, kWatchTick);
  }
  return stopping_ ? absl::UnavailableError("the server is stopping") : absl::CancelledError("the watcher has gone");
}

grpc::Status JobServiceImpl::WatchJob(grpc::ServerContext* call, const v1::WatchJobRequest* request,
                                      grpc::ServerWriter<v1::WatchJobResponse>* writer) {
  return HandleCall("WatchJob", context_, metrics_, *call, [&] { return Watch(*call, *request, *writer); });
}

grpc::Status JobServiceImpl::CancelJob(grpc::ServerContext* call, const v1::CancelJobRequest* request,
                                       v1::CancelJobResponse*) {
  return HandleCall("CancelJob", context_, metrics_, *call,
                    [&] { return context_.store.RequestCancel(request->job()); });
}

grpc::Status JobServiceImpl::DeleteJob(grpc::ServerContext* call, const v1::DeleteJobRequest* request,
                                       v1::DeleteJobResponse*) {
  return HandleCall("DeleteJob", context_, metrics_, *call, [&]() -> absl::Status {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<std::string> orphans, context_.store.DeleteJob(request->job()));
    for (const std::string& sha256 : orphans) {
      const absl::Status status = context_.blobs.Delete(sha256);
      if (!status.ok() && !absl::IsNotFound(status)) return status;
    }
    return absl::OkStatus();
  });
}

grpc::Status JobServiceImpl::GetServerInfo(grpc::ServerContext* call, const v1::GetServerInfoRequest*,
                                           v1::GetServerInfoResponse* response) {
  return HandleCall("GetServerInfo", context_, metrics_, *call, [&] {
    response->set_version(Version());
    response->set_commit(Commit());
    for (const auto& [name, unused] : context_.model_roots) response->add_model_roots(name);
    return absl::OkStatus();
  });
}

grpc::Status JobServiceImpl::ListWorkers(grpc::ServerContext* call, const v1::ListWorkersRequest*,
                                         v1::ListWorkersResponse* response) {
  return HandleCall("ListWorkers", context_, metrics_, *call, [&]() -> absl::Status {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<WorkerRecord> workers, context_.store.Workers(context_.clock.Now()));
    for (const WorkerRecord& worker : workers) *response->add_workers() = MakeWorkerStatus(worker);
    return absl::OkStatus();
  });
}

grpc::Status JobServiceImpl::DrainWorker(grpc::ServerContext* call, const v1::DrainWorkerRequest* request,
                                         v1::DrainWorkerResponse*) {
  return HandleCall("DrainWorker", context_, metrics_, *call,
                    [&] { return context_.store.DrainWorker(request->name()); });
}

}  // namespace sub1quant
