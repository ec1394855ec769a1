// Whether the tasks that run now still move. A kernel or a file read that never comes back would otherwise hold its
// lease for ever, because renewals have a thread of their own.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/clock.h"
#include "worker/executor.h"

namespace sub1quant {

// Thread-safe: the working threads begin and end, the renewing one looks.
class StallWatch {
 public:
  struct Running {
    std::string lease_id, description, stage;
    double expected_seconds = 0;  // 0: unknown
    std::shared_ptr<const TaskContext> context;
  };

  // A task may give no sign of life (Heartbeat) for `patience`, or three times its expected time if that is longer. One
  // that is in no step waits for another task, for threads or for a disk: it stands still when all tasks do, for as
  // long as the most patient may.
  explicit StallWatch(std::chrono::milliseconds patience) : patience_(patience) {}

  void Begin(Running task, SteadyTime now);
  void End(const std::string& lease_id);
  // A task that stands still for too long, if there is one. Called every second or so: a gap between two looks is a
  // time in which the whole process stood still (SIGSTOP, a suspended machine) and is nobody's.
  std::optional<Running> Look(SteadyTime now);

 private:
  struct Watched {
    Running task;
    uint64_t beats = 0;
    SteadyTime moved;
  };
  void NoteSigns(Watched& watched, SteadyTime::duration gap, SteadyTime now);
  std::chrono::milliseconds Limit(const Watched& watched) const;

  const std::chrono::milliseconds patience_;
  std::mutex mutex_;
  std::map<std::string, Watched> watched_;  // by lease id; both guarded by mutex_
  SteadyTime looked_, moved_;               // moved_: the last sign of life of any task
};

}  // namespace sub1quant
