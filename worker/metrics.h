// What a worker counts (docs/operations.md lists the names). NewNullMetrics for tests and for workers without
// --metrics.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace sub1quant {

// Thread-safe.
class WorkerMetrics {
 public:
  virtual ~WorkerMetrics() = default;
  // Once per task that ended. `result`: done, failed, lost, released, stalled.
  virtual void TaskEnded(const std::string& stage, const std::string& result, double seconds) = 0;
  // `op`: search, pack.
  virtual void TensorDone(const std::string& op, uint64_t parameters, uint64_t bytes_read, uint64_t bytes_written) = 0;
  // `variant`: base, quantized.
  virtual void Scored(const std::string& variant, uint64_t tokens, uint64_t chunks) = 0;
  // `result`: ok, lost, error.
  virtual void Renewed(const std::string& result) = 0;
  // A device kernel that differs from the CPU and is not used. `operation`: search, encode, decode.
  virtual void KernelRefused(const std::string& operation, const std::string& method) = 0;
  // Whether the last call to the server was answered, other than with "no room".
  virtual void ServerReachable(bool reachable) = 0;
  // Whether the last blob could not be written for want of room.
  virtual void StoreFull(bool full) = 0;
};

std::unique_ptr<WorkerMetrics> NewNullMetrics();

// /metrics (Prometheus text), /healthz (200 while the process lives), /readyz (200 while the server answers and blobs
// find room).
class MetricsServer {
 public:
  virtual ~MetricsServer() = default;
  virtual WorkerMetrics& metrics() = 0;
  virtual int port() const = 0;
};

// ADDRESS is a port (then loopback only) or host:port; port 0 picks one. InvalidArgument or Unavailable naming the
// address.
absl::StatusOr<std::unique_ptr<MetricsServer>> StartMetricsServer(const std::string& address);

}  // namespace sub1quant
