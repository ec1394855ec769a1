// Moves jobs along their stages: starts a stage when what it waits for is done, runs the server's own steps (inspect,
// allocate, seal, aggregate), ends jobs, expires leases. One thread. Every step is one transaction of the store and can
// be repeated, so a killed server goes on where it was.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "server/metrics.h"
#include "server/service_context.h"

namespace sub1quant {

class Conductor {
 public:
  Conductor(ServiceContext& context, ServerMetrics& metrics) : context_(context), metrics_(metrics) {}

  // Runs until Stop.
  void Run();
  void Stop() { stopping_ = true; }
  // One pass over all active jobs; true if anything moved. Run is this in a loop; tests call it directly.
  bool Step();

 private:
  // A job that the world keeps from moving: it is tried again later, and said so once.
  struct Stuck {
    std::string why;
    SteadyTime again;
  };

  bool MayExpire(SteadyTime now);
  void Expire(SteadyTime now, bool* moved);
  // Moves the job, or ends it, or finds it stuck; true if it moved.
  bool Move(const JobRecord& job, SteadyTime now);
  absl::Status MoveJob(const JobRecord& job, bool* moved);

  ServiceContext& context_;
  ServerMetrics& metrics_;
  std::optional<SteadyTime> last_look_;
  SteadyTime no_expiry_before_{};
  std::map<std::string, Stuck> stuck_;  // by job
  std::atomic<bool> stopping_{false};
};

}  // namespace sub1quant
