// Carries out one task. What a task needs is in the task; what the machine has, in the executor.
#pragma once

#include <atomic>
#include <string>

#include "absl/status/statusor.h"
#include "core/heartbeat.h"
#include "quant/plan/tasks.h"

namespace sub1quant {

// Between the thread that computes and the one that renews.
class TaskContext {
 public:
  // True once the lease is lost or the worker must end: stop soon, publish nothing.
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  // OK, or Cancelled.
  absl::Status Check() const {
    return cancelled() ? absl::CancelledError("the task is no longer this worker's") : absl::OkStatus();
  }

  // 0 to 1.
  double progress() const { return progress_.load(std::memory_order_relaxed); }
  void SetProgress(double progress) {
    progress_.store(progress, std::memory_order_relaxed);
    heartbeat_.Beat();
  }
  // Of the task's work: the executing thread has it as its own.
  Heartbeat& heartbeat() { return heartbeat_; }
  const Heartbeat& heartbeat() const { return heartbeat_; }

 private:
  Heartbeat heartbeat_;
  std::atomic<bool> cancelled_{false};
  std::atomic<double> progress_{0};
};

// Thread-safe if the loop has several lanes. The status code of a failure says what the coordinator may do
// (workers.proto, FailRequest): Unavailable and DeadlineExceeded give the task back uncharged; InvalidArgument,
// FailedPrecondition, NotFound and DataLoss end the job.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual absl::StatusOr<TaskResult> Execute(const Task& task, TaskContext& context) = 0;
  // `model_identity/manifest_sha256` of the model in memory, or "".
  virtual std::string LoadedModel() const = 0;
};

// Stage name of a task: search, pack, score_base, score_quantized, export.
std::string StageOf(const Task& task);

}  // namespace sub1quant
