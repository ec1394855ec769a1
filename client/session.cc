#include "client/session.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/outcome.h"
#include "core/status.h"
#include "proto/channel/channel.h"
#include "proto/channel/remote_blobs.h"
#include "proto/convert/convert.h"
#include "sub1quant/v1/workers.grpc.pb.h"

namespace sub1quant {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr milliseconds kFirstPause{100}, kLongestPause{5000};
constexpr seconds kWatchDeadline{3600};

// What a killed server or a cut line looks like from here; any other error is the server's answer.
bool IsLostConnection(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kCancelled:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool HasEnded(const v1::Job& job) {
  return job.state() == v1::JOB_STATE_SUCCEEDED || job.state() == v1::JOB_STATE_FAILED ||
         job.state() == v1::JOB_STATE_CANCELLED;
}

absl::StatusOr<std::unique_ptr<Session>> Session::Open(const std::string& address) {
  SUB1QUANT_RETURN_IF_ERROR(CheckServerAddress(address));
  return std::unique_ptr<Session>(new Session(address));
}

Session::Session(std::string address)
    : address_(std::move(address)), channel_(DialServer(address_)), jobs_(v1::JobService::NewStub(channel_)) {}

template <typename Request, typename Response>
absl::StatusOr<Response> Session::Call(grpc::Status (v1::JobService::Stub::*method)(grpc::ClientContext*,
                                                                                    const Request&, Response*),
                                       const Request& request, milliseconds timeout) {
  absl::StatusOr<Response> response = CallUnary(*jobs_, method, request, timeout);
  if (!response.ok()) return FromServer(response.status(), address_);
  return response;
}

absl::StatusOr<v1::GetServerInfoResponse> Session::Info(milliseconds timeout) {
  return Call(&v1::JobService::Stub::GetServerInfo, v1::GetServerInfoRequest(), timeout);
}

absl::StatusOr<v1::SubmitJobResponse> Session::Submit(const JobSpecification& specification, const std::string& key) {
  v1::SubmitJobRequest request;
  request.set_idempotency_key(key);
  *request.mutable_specification() = ToProto(specification);
  return Call(&v1::JobService::Stub::SubmitJob, request);
}

absl::StatusOr<v1::Job> Session::Get(const std::string& job) {
  v1::GetJobRequest request;
  request.set_job(job);
  SUB1QUANT_ASSIGN_OR_RETURN(v1::GetJobResponse response, Call(&v1::JobService::Stub::GetJob, request));
  return std::move(*response.mutable_job());
}

absl::StatusOr<std::vector<v1::Job>> Session::List() {
  SUB1QUANT_ASSIGN_OR_RETURN(const v1::ListJobsResponse response,
                             Call(&v1::JobService::Stub::ListJobs, v1::ListJobsRequest()));
  return std::vector<v1::Job>(response.jobs().begin(), response.jobs().end());
}

absl::Status Session::Cancel(const std::string& job) {
  v1::CancelJobRequest request;
  request.set_job(job);
  return Call(&v1::JobService::Stub::CancelJob, request).status();
}

absl::Status Session::Delete(const std::string& job) {
  v1::DeleteJobRequest request;
  request.set_job(job);
  return Call(&v1::JobService::Stub::DeleteJob, request).status();
}

absl::StatusOr<std::vector<v1::WorkerStatus>> Session::Workers() {
  SUB1QUANT_ASSIGN_OR_RETURN(const v1::ListWorkersResponse response,
                             Call(&v1::JobService::Stub::ListWorkers, v1::ListWorkersRequest()));
  return std::vector<v1::WorkerStatus>(response.workers().begin(), response.workers().end());
}

absl::Status Session::Drain(const std::string& worker) {
  v1::DrainWorkerRequest request;
  request.set_name(worker);
  return Call(&v1::JobService::Stub::DrainWorker, request).status();
}

absl::Status Session::Release(const std::string& worker, const std::string& worker_session) {
  v1::ReleaseRequest request;
  request.mutable_worker()->set_name(worker);
  request.mutable_worker()->set_session(worker_session);
  request.set_exit_reason("crashed");  // unless it has said something else itself
  const auto stub = v1::WorkerService::NewStub(channel_);
  return FromServer(CallUnary(*stub, &v1::WorkerService::Stub::Release, request, seconds(10)).status(), address_);
}

bool Session::Pause(milliseconds duration) {
  std::unique_lock<std::mutex> lock(mutex_);
  return !stop_changed_.wait_for(lock, duration, [this] { return stopped_; });
}

void Session::StopWatching() {
  const std::lock_guard<std::mutex> lock(mutex_);
  stopped_ = true;
  if (watching_ != nullptr) watching_->TryCancel();
  stop_changed_.notify_all();
}

absl::Status Session::WatchOnce(const v1::WatchJobRequest& request, const WatchOptions& options, int64_t& after,
                                bool& heard, v1::Job& job) {
  const std::unique_ptr<grpc::ClientContext> context = NewCall(kWatchDeadline);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopped_) return absl::CancelledError("stopped");
    watching_ = context.get();
  }
  const auto reader = jobs_->WatchJob(context.get(), request);
  v1::WatchJobResponse response;
  while (reader->Read(&response)) {
    heard = true;
    for (const v1::JobEvent& event : response.events()) after = std::max(after, event.sequence());
    if (response.has_job()) job = response.job();
    if (options.on_update) options.on_update(response);
  }
  const absl::Status status = FromGrpc(reader->Finish());
  const std::lock_guard<std::mutex> lock(mutex_);
  watching_ = nullptr;
  return status;
}

absl::StatusOr<v1::Job> Session::Watch(const std::string& job, const WatchOptions& options) {
  int64_t after = options.after_sequence;
  milliseconds pause = kFirstPause;
  steady_clock::time_point last_heard = steady_clock::now();
  bool ever_heard = false;
  while (true) {
    v1::WatchJobRequest request;
    request.set_job(job);
    request.set_after_sequence(after);
    v1::Job last;
    bool heard = false;
    const absl::Status status = WatchOnce(request, options, after, heard, last);
    if (!status.ok() && !IsLostConnection(status)) return FromServer(status, address_);
    ever_heard = ever_heard || heard;
    // A server that was never there will hardly come; one that somebody supervises will.
    if (!status.ok() && !ever_heard && !options.still_worthwhile) return FromServer(status, address_);
    if (heard) last_heard = steady_clock::now(), pause = kFirstPause;
    if (HasEnded(last)) {
      absl::StatusOr<v1::Job> ended = Get(job);
      if (ended.ok() || !IsLostConnection(ended.status())) return ended;
    }
    if (status.ok() && !heard) {
      // Everything had been seen before: ask how it ended.
      const absl::StatusOr<v1::Job> now = Get(job);
      if (now.ok()) last_heard = steady_clock::now();
      if (now.ok() && HasEnded(*now)) return now;
    }
    if (!Pause(pause)) return absl::CancelledError("stopped");
    if (options.still_worthwhile) SUB1QUANT_RETURN_IF_ERROR(options.still_worthwhile());
    if (steady_clock::now() - last_heard > options.give_up_after)
      return FromServer(
          status.ok() ? absl::UnavailableError("it ends the watch at once") : absl::UnavailableError(status.message()),
          address_);
    pause = std::min(2 * pause, kLongestPause);
  }
}

absl::Status Session::Events(const std::string& job, milliseconds wait,
                             const std::function<void(const v1::JobEvent&)>& on_event) {
  SUB1QUANT_ASSIGN_OR_RETURN(const v1::Job now, Get(job));
  v1::WatchJobRequest request;
  request.set_job(job);
  const std::unique_ptr<grpc::ClientContext> context = NewCall(HasEnded(now) ? milliseconds(seconds(120)) : wait);
  const auto reader = jobs_->WatchJob(context.get(), request);
  v1::WatchJobResponse response;
  while (reader->Read(&response))
    for (const v1::JobEvent& event : response.events()) on_event(event);
  const absl::Status status = FromGrpc(reader->Finish());
  // Of a job that goes on, the deadline is the expected end.
  if (!HasEnded(now) && absl::IsDeadlineExceeded(status)) return absl::OkStatus();
  return FromServer(status, address_);
}

absl::StatusOr<std::string> Session::UploadBlobFile(const std::string& path) {
  absl::StatusOr<BlobStore::Writer::Blob> blob = UploadFile(channel_, path);
  if (!blob.ok()) return FromServer(blob.status(), address_);
  return blob->sha256;
}

absl::Status Session::DownloadOutput(const v1::Output& output, const std::string& path) {
  const absl::Status status = DownloadBlob(channel_, output.sha256(), path);
  // A full disk here is not a refusal of the server.
  return absl::IsUnavailable(status) ? FromServer(status, address_) : status;
}

absl::StatusOr<std::string> Session::ReadOutput(const v1::Output& output) {
  absl::StatusOr<std::string> bytes = Blobs()->Get(output.sha256());
  if (!bytes.ok()) return FromServer(Annotate(bytes.status(), output.path()), address_);
  return bytes;
}

std::unique_ptr<BlobStore> Session::Blobs() { return NewRemoteBlobStore(channel_, RemoteBlobOptions()); }

}  // namespace sub1quant
