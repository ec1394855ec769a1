// Whether the task that runs now still moves. A kernel or a file read that never comes back would otherwise hold its
// lease for ever, because renewals have a thread of their own.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/clock.h"
#include "worker/executor.h"

namespace sub1quant {

// Thread-safe: the working thread begins and ends, the renewing one looks.
class StallWatch {
 public:
  struct Running {
    std::string lease_id, description, stage;
    double expected_seconds = 0;  // 0: unknown
    std::shared_ptr<const TaskContext> context;
  };

  // A task may stand still for `patience`, or three times its expected time if that is longer.
  explicit StallWatch(std::chrono::milliseconds patience) : patience_(patience) {}

  void Begin(Running task, SteadyTime now);
  void End();
  // The task, if it stands still for too long. Called every second or so: a gap between two looks is a time in which
  // the whole process stood still (SIGSTOP, a suspended machine) and is nobody's.
  std::optional<Running> Look(SteadyTime now);

 private:
  std::chrono::milliseconds Limit() const;

  const std::chrono::milliseconds patience_;
  std::mutex mutex_;
  std::optional<Running> running_;  // all guarded by mutex_
  double progress_ = 0;
  SteadyTime moved_, looked_;
};

}  // namespace sub1quant
