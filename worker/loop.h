// The life of a worker: acquire, execute, report, until told to stop. One thread asks and reports (RunWork), several
// lanes execute, another thread renews (RunRenewals), so that no kernel or file read delays a renewal. Everything that
// waits or asks stands behind an interface.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/clock.h"
#include "core/random_id.h"
#include "worker/backoff.h"
#include "worker/batch.h"
#include "worker/coordinator.h"
#include "worker/executor.h"
#include "worker/lanes.h"
#include "worker/leases.h"
#include "worker/metrics.h"
#include "worker/pause.h"
#include "worker/stall_watch.h"

namespace sub1quant {

class WorkerLoop {
 public:
  struct Parts {
    const Clock& clock;
    Pause& work_pause;
    Pause& renew_pause;
    IdGenerator& ids;
    Coordinator& coordinator;
    Executor& executor;
    WorkerMetrics& metrics;
  };
  struct Options {
    std::chrono::milliseconds acquire_wait{20'000};
    uint64_t jitter_seed = 0;
    int lanes = 1;  // tasks executed beside one another; more than one needs an executor that is thread-safe
    std::chrono::milliseconds stall_patience = std::chrono::seconds(60);  // see StallWatch
    // A running task stands still for good, all is reported and released: ends the process.
    std::function<void()> on_stall = [] {};
  };

  WorkerLoop(const Parts& parts, const Options& options);

  // Until drained or abandoned: OK. An answer that no retry will change (another protocol, not allowed): that error.
  absl::Status RunWork();
  // Until RunWork has returned.
  void RunRenewals();

  // From any thread. No new task; the current ones are finished, those not begun are released.
  void Drain();
  // From any thread. As Drain, and the current tasks are cancelled and everything released at once.
  void Abandon();

  // One round of RunRenewals: gives up what has run out, renews what is due.
  void RenewDue();
  // Another part of that round: gives up on a task that stands still, and on this process with it.
  void CheckStall();

 private:
  // A task that has ended but is not yet reported.
  struct Outcome {
    std::string lease_id, description, stage;
    absl::StatusOr<TaskResult> result;
    double seconds = 0;
  };

  bool stopping() const { return draining_.load(); }
  bool abandoned() const { return abandoned_.load(); }
  void Wait(std::chrono::milliseconds duration);

  struct Work {
    Lease lease;
    std::shared_ptr<TaskContext> context;
  };
  // In a lane, or waiting for one.
  struct Running {
    Work work;
    Outcome outcome;  // written by the lane
    std::shared_ptr<Lanes::Job> job;
  };

  // The next leases, now in leases_; empty if there are none yet. Sets fatal_.
  std::vector<Work> AcquireSome();
  // Gives back at once what is more than a batch.
  void TrimBatch(std::vector<Work>& batch);
  // Releases batch[begin, …).
  void GiveBack(const std::vector<Work>& batch, size_t begin);
  void Begin(std::vector<Work> batch);
  // Waits for the task that was begun first and reports it.
  void FinishFirst();
  // Releases what no lane has begun.
  void GiveBackWaiting();
  // On the way out: finishes what a lane has begun, releases the rest.
  void FinishBegun();
  Outcome ExecuteOne(const Work& work);
  // False: what tasks need is out of reach, the next one would fare no better.
  bool Report(Outcome outcome);
  // True: settled, one way or another. False: ask again.
  bool TryReport(const Outcome& outcome);
  void Settle(const Outcome& outcome, const std::string& result);
  // Reports what waits; true if nothing is left.
  bool Flush();
  void ReleaseLeases(const std::vector<std::string>& ids, const std::string& exit_reason);
  void NoteServer(const absl::Status& status, const std::string& call);

  Parts parts_;
  Options options_;
  LeaseTable leases_;
  StallWatch stall_watch_;
  Backoff acquire_backoff_, report_backoff_, failure_backoff_;
  // Of the work thread:
  std::string request_id_;      // of an Acquire whose answer is not known, or ""
  std::deque<Outcome> outbox_;  // at most one batch
  std::deque<std::unique_ptr<Running>> running_;
  absl::Status fatal_;
  BatchPlanner planner_;
  std::atomic<bool> draining_{false}, abandoned_{false}, finished_{false}, stalled_{false}, reachable_{true},
      server_full_{false};
  Lanes lanes_;  // last: its threads use the rest
};

}  // namespace sub1quant
