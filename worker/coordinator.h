// What a worker may ask of its server, as values (proto WorkerService). The loop and its tests see this; gRPC stands
// behind it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/process/path_names.h"
#include "grpcpp/channel.h"
#include "quant/plan/tasks.h"

namespace sub1quant {

struct WorkerIdentity {
  std::string name;
  std::string session;  // random per process: binds leases to their holder
  std::string device;
  std::string version;
};

struct Lease {
  std::string id;  // a secret: never logged
  std::chrono::milliseconds ttl{0};
  absl::StatusOr<Task> task;  // Unimplemented if this worker does not know the kind
  std::string description;
  int attempt = 0;
  double expected_seconds = 0;  // on one CPU core; 0: unknown
};

// Thread-safe. Every call returns within its own deadline; Unavailable and DeadlineExceeded mean "perhaps".
class Coordinator {
 public:
  struct AcquireCall {
    int max_tasks = 1;
    std::chrono::milliseconds wait{0};
    std::string loaded_model;
    std::string request_id;
  };
  struct Acquired {
    std::vector<Lease> leases;
    bool drain = false;
  };
  struct Held {
    std::string lease_id;
    double progress = 0;
  };
  struct Renewal {
    std::vector<std::string> lost;
    std::chrono::milliseconds ttl{0};
    bool drain = false;
  };

  virtual ~Coordinator() = default;
  virtual absl::StatusOr<Acquired> Acquire(const AcquireCall& call) = 0;
  // Makes a waiting Acquire and all later ones return Cancelled.
  virtual void StopAcquiring() = 0;
  virtual absl::StatusOr<Renewal> Renew(const std::vector<Held>& leases, std::chrono::milliseconds timeout) = 0;
  virtual absl::Status Complete(const std::string& lease_id, const TaskResult& result, double seconds) = 0;
  virtual absl::Status Fail(const std::string& lease_id, const absl::Status& failure) = 0;
  // Empty: all that this session holds. `exit_reason` (workers.proto) when this process ends, else "".
  virtual absl::Status Release(const std::vector<std::string>& lease_ids, const std::string& exit_reason) = 0;
};

// Failures leave this machine without the directories that `paths` names.
std::unique_ptr<Coordinator> NewGrpcCoordinator(std::shared_ptr<grpc::Channel> channel, const WorkerIdentity& identity,
                                                PathNames paths);

}  // namespace sub1quant
