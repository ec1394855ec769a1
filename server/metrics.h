// What the server counts (docs/operations.md): every name is in metrics.cc. Labels hold no job, tensor or user.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/store.h"

namespace sub1quant {

// Thread-safe. Counters of events; queue figures are read from the store at each scrape.
class ServerMetrics {
 public:
  explicit ServerMetrics(const Clock& clock, StateStore& store);
  ~ServerMetrics();

  void Rpc(const std::string& method, const std::string& code, double seconds);
  void LeasesGranted(int count);
  void Renewed(int held, int lost);
  void LostLeaseRejected(const std::string& operation);  // complete, fail
  void TaskCompleted(const std::string& stage);
  void AttemptFailed(const std::string& reason);
  void LeasesExpired(int count);
  // Sessions, see WorkerExits.
  void WorkerHeard(const std::string& session);
  void WorkerExited(const std::string& session, const std::string& reason);
  void LookForVanished();

  std::string Scrape();  // Prometheus text

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sub1quant
