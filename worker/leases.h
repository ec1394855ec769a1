// The leases that this worker holds, judged by its own clock. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "worker/coordinator.h"
#include "worker/executor.h"

namespace sub1quant {

// A lease of `ttl` is renewed every ttl/3, counted from before the request that granted it. Without an answer it is
// given up at 2 * ttl: a coordinator that comes back grants each lease one full time to live again, so work held
// through its absence is not lost, and whatever is published late is fenced by the lease id.
class LeaseTable {
 public:
  std::shared_ptr<TaskContext> Add(const std::string& id, SteadyTime sent, std::chrono::milliseconds ttl);
  void Remove(const std::string& id);

  // Answer to a renewal of `asked` that was sent at `sent`. Cancels the lost ones; returns how many of them were still
  // held.
  int Renewed(const std::vector<Coordinator::Held>& asked, SteadyTime sent, const Coordinator::Renewal& renewal);
  // No answer: ask again soon.
  void RenewFailed(SteadyTime now);
  // Cancels what has run out; returns how many.
  int Expire(SteadyTime now);
  void CancelAll();

  // Held, and neither lost nor run out.
  bool Alive(const std::string& id) const;
  std::vector<Coordinator::Held> Holding() const;
  // When the next renewal is due; nullopt if nothing is held.
  std::optional<SteadyTime> NextRenewal() const;
  std::chrono::milliseconds ShortestTtl() const;

 private:
  struct Entry {
    SteadyTime renew_at, ends_at;
    std::chrono::milliseconds ttl;
    std::shared_ptr<TaskContext> context;
  };
  static void Extend(Entry& entry, SteadyTime sent, std::chrono::milliseconds ttl);

  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // guarded by mutex_
};

}  // namespace sub1quant
