// A conversation with one server: every call of the client goes through here. Errors carry their exit code (outcome.h).
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "quant/artifact/blob_store.h"
#include "quant/plan/specification.h"
#include "sub1quant/v1/jobs.grpc.pb.h"

namespace sub1quant {

struct WatchOptions {
  int64_t after_sequence = 0;
  // Called with every answer of the server, on the calling thread.
  std::function<void(const v1::WatchJobResponse&)> on_update;
  // Asked after every lost connection; an error ends the watch with it. Without it, a server that never answered ends
  // it too.
  std::function<absl::Status()> still_worthwhile;
  std::chrono::seconds give_up_after{120};  // without any answer
};

// Thread-safe.
class Session {
 public:
  // InvalidArgument for what is no address. Connects with the first call.
  static absl::StatusOr<std::unique_ptr<Session>> Open(const std::string& address);

  const std::string& address() const { return address_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  absl::StatusOr<v1::GetServerInfoResponse> Info(std::chrono::milliseconds timeout = std::chrono::seconds(20));
  absl::StatusOr<v1::SubmitJobResponse> Submit(const JobSpecification& specification, const std::string& key);
  absl::StatusOr<v1::Job> Get(const std::string& job);
  absl::StatusOr<std::vector<v1::Job>> List();
  absl::Status Cancel(const std::string& job);
  absl::Status Delete(const std::string& job);
  absl::StatusOr<std::vector<v1::WorkerStatus>> Workers();
  absl::Status Drain(const std::string& worker);
  // Gives back all that a dead worker held.
  absl::Status Release(const std::string& worker, const std::string& worker_session);

  // Until the job has ended: the job with its outputs. Goes on after a lost connection from the last event seen.
  absl::StatusOr<v1::Job> Watch(const std::string& job, const WatchOptions& options);
  // Ends a Watch in progress, and any later one, with Cancelled. From any thread.
  void StopWatching();
  // The events up to now, without waiting for more than `wait`.
  absl::Status Events(const std::string& job, std::chrono::milliseconds wait,
                      const std::function<void(const v1::JobEvent&)>& on_event);

  absl::StatusOr<std::string> UploadBlobFile(const std::string& path);  // its digest
  absl::Status DownloadOutput(const v1::Output& output, const std::string& path);
  absl::StatusOr<std::string> ReadOutput(const v1::Output& output);
  // Not owned by the session; uses its channel.
  std::unique_ptr<BlobStore> Blobs();

 private:
  explicit Session(std::string address);
  absl::Status WatchOnce(const v1::WatchJobRequest& request, const WatchOptions& options, int64_t& after, bool& heard,
                         v1::Job& job);
  bool Pause(std::chrono::milliseconds duration);  // false: stopped

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (v1::JobService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                                             Response*),
                                const Request& request, std::chrono::milliseconds timeout = std::chrono::seconds(30));

  const std::string address_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::JobService::Stub> jobs_;
  std::mutex mutex_;
  std::condition_variable stop_changed_;
  bool stopped_ = false;
  grpc::ClientContext* watching_ = nullptr;  // of the Watch in progress
};

bool HasEnded(const v1::Job& job);

}  // namespace sub1quant
