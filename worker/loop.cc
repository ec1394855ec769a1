#include "worker/loop.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/failpoint.h"
#include "core/status.h"
#include "spdlog/spdlog.h"

namespace sub1quant {
namespace {

using std::chrono::milliseconds;

// The renewing thread looks at its leases at least this often.
constexpr milliseconds kTick{1'000};

// A worker that asks again after one of these gets the same answer.
bool IsFinal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return true;
    default:
      return false;
  }
}

// Of a report: the lease is no longer ours.
bool IsLost(const absl::Status& status) { return absl::IsFailedPrecondition(status) || absl::IsNotFound(status); }

// Of a report: no answer, or "not now".
bool IsPassing(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
      return true;
    default:
      return false;
  }
}

std::string StageOrUnknown(const Lease& lease) { return lease.task.ok() ? StageOf(*lease.task) : "unknown"; }

// Of a task: what it needs was out of reach, or it was told to stop. It goes back uncharged.
bool IsNobodysFault(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsCancelled(status);
}

// What stands for the result until there is one.
absl::Status NotRun(const Lease& lease) {
  return lease.task.ok() ? absl::InternalError("the task has not run") : lease.task.status();
}

// Libraries below may throw; a task's failure is never the worker's end.
absl::StatusOr<TaskResult> ExecuteGuarded(Executor& executor, const Task& task, TaskContext& context) {
  try {
    SUB1QUANT_RETURN_IF_ERROR(Failpoint("worker.execute"));
    return executor.Execute(task, context);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("exception: ", error.what()));
  }
}

}  // namespace

std::string StageOf(const Task& task) {
  struct Namer {
    std::string operator()(const SearchTask&) const { return "search"; }
    std::string operator()(const PackTask&) const { return "pack"; }
    std::string operator()(const ScoreTask& score) const {
      return score.manifest_sha256.empty() ? "score_base" : "score_quantized";
    }
    std::string operator()(const ExportTask&) const { return "export"; }
  };
  return std::visit(Namer{}, task);
}

WorkerLoop::WorkerLoop(const Parts& parts, const Options& options)
    : parts_(parts),
      options_(options),
      stall_watch_(options.stall_patience),
      acquire_backoff_(options.jitter_seed),
      report_backoff_(options.jitter_seed + 1),
      failure_backoff_(options.jitter_seed + 2),
      planner_(options.lanes),
      lanes_(options.lanes) {}

absl::Status WorkerLoop::RunWork() {
  while (!stopping() && fatal_.ok()) {
    // Asks for more before the last ones are done, so that no lane waits for an answer of the server.
    const bool few = static_cast<int>(running_.size()) < lanes_.width();
    if (few && Flush()) {
      Begin(AcquireSome());
    } else if (running_.empty()) {
      Wait(report_backoff_.Next());
    }
    if (!running_.empty()) FinishFirst();
  }
  FinishBegun();
  while (!abandoned() && !Flush()) Wait(report_backoff_.Next());
  // Also what an Acquire granted whose answer never came.
  ReleaseLeases({}, fatal_.ok() ? "drained" : "refused");
  leases_.CancelAll();
  finished_ = true;
  parts_.renew_pause.Wake();
  return fatal_;
}

void WorkerLoop::RunRenewals() {
  while (!finished_) {
    RenewDue();
    CheckStall();
    const SteadyTime tick = parts_.clock.Now() + kTick;
    parts_.renew_pause.WaitUntil(std::min(leases_.NextRenewal().value_or(tick), tick));
  }
}

void WorkerLoop::Drain() {
  if (!draining_.exchange(true)) spdlog::info("draining: no new task");
  lanes_.Close();
  parts_.coordinator.StopAcquiring();
  parts_.work_pause.Wake();
}

void WorkerLoop::Abandon() {
  abandoned_ = true;
  Drain();
  leases_.CancelAll();
  ReleaseLeases({}, "drained");
  parts_.work_pause.Wake();
}

void WorkerLoop::CheckStall() {
  const std::optional<StallWatch::Running> task = stall_watch_.Look(parts_.clock.Now());
  if (!task || stalled_.exchange(true)) return;
  const absl::Status failure =
      absl::DeadlineExceededError("no progress for too long; the worker that had it ends and is started again");
  spdlog::error("stalled: {}: {}", task->description, std::string(failure.message()));
  if (leases_.Alive(task->lease_id)) {
    if (const absl::Status told = parts_.coordinator.Fail(task->lease_id, failure); !told.ok())
      spdlog::warn("stalled: not reported: {}", told.ToString());
  }
  parts_.metrics.TaskEnded(task->stage, "stalled", 0);
  ReleaseLeases({}, "stalled");
  leases_.CancelAll();
  options_.on_stall();
}

void WorkerLoop::RenewDue() {
  if (const int expired = leases_.Expire(parts_.clock.Now()); expired > 0) {
    spdlog::warn("{} lease(s) ran out: the server did not answer for two times to live", expired);
    parts_.metrics.Renewed("lost");
  }
  const SteadyTime sent = parts_.clock.Now();
  const std::optional<SteadyTime> due = leases_.NextRenewal();
  if (!due || *due > sent) return;

  const std::vector<Coordinator::Held> held = leases_.Holding();
  const milliseconds timeout = std::clamp(leases_.ShortestTtl() / 3, milliseconds(500), milliseconds(10'000));
  const absl::StatusOr<Coordinator::Renewal> renewal = parts_.coordinator.Renew(held, timeout);
  NoteServer(renewal.status(), "renew");
  if (!renewal.ok()) {
    leases_.RenewFailed(parts_.clock.Now());
    parts_.metrics.Renewed("error");
    return;
  }
  const int lost = leases_.Renewed(held, sent, *renewal);
  if (lost > 0) spdlog::info("{} lease(s) are no longer held here (cancelled or expired)", lost);
  parts_.metrics.Renewed(lost > 0 ? "lost" : "ok");
  if (renewal->drain) Drain();
}

void WorkerLoop::Wait(milliseconds duration) { parts_.work_pause.WaitUntil(parts_.clock.Now() + duration); }

std::vector<WorkerLoop::Work> WorkerLoop::AcquireSome() {
  if (request_id_.empty()) request_id_ = parts_.ids.NewId();
  const SteadyTime sent = parts_.clock.Now();
  const milliseconds wait = running_.empty() ? options_.acquire_wait : milliseconds(0);
  absl::StatusOr<Coordinator::Acquired> acquired =
      parts_.coordinator.Acquire({planner_.Wish(), wait, parts_.executor.LoadedModel(), request_id_});
  if (!acquired.ok()) {
    if (stopping()) return {};
    if (IsFinal(acquired.status())) {
      fatal_ = acquired.status();
      return {};
    }
    NoteServer(acquired.status(), "acquire");
    if (running_.empty()) Wait(acquire_backoff_.Next());
    return {};
  }
  NoteServer(absl::OkStatus(), "acquire");
  acquire_backoff_.Reset();
  request_id_.clear();

  std::vector<Work> batch;
  for (Lease& lease : acquired->leases) {
    std::shared_ptr<TaskContext> context = leases_.Add(lease.id, sent, lease.ttl);
    batch.push_back({std::move(lease), std::move(context)});
  }
  TrimBatch(batch);
  parts_.renew_pause.Wake();
  if (acquired->drain) Drain();
  return batch;
}

void WorkerLoop::TrimBatch(std::vector<Work>& batch) {
  std::vector<std::string> stages;
  for (const Work& work : batch) stages.push_back(StageOrUnknown(work.lease));
  const size_t keep = planner_.Keep(stages);
  GiveBack(batch, keep);
  batch.resize(keep);
}

void WorkerLoop::GiveBack(const std::vector<Work>& batch, size_t begin) {
  std::vector<std::string> ids;
  for (size_t i = begin; i < batch.size(); ++i) ids.push_back(batch[i].lease.id);
  if (ids.empty()) return;
  if (!abandoned()) ReleaseLeases(ids, "");
  for (const std::string& id : ids) leases_.Remove(id);
}

void WorkerLoop::Begin(std::vector<Work> batch) {
  for (Work& work : batch) {
    auto running = std::make_unique<Running>(
        Running{std::move(work), {"", "", "", absl::InternalError("the task has not run"), 0}, nullptr});
    running->job = lanes_.Begin([this, raw = running.get()] { raw->outcome = ExecuteOne(raw->work); });
    running_.push_back(std::move(running));
  }
}

void WorkerLoop::FinishFirst() {
  const std::unique_ptr<Running> first = std::move(running_.front());
  running_.pop_front();
  // Lost before it began: not begun, and nobody waits for a word about it.
  if (first->work.context->cancelled() && first->job->Withdraw()) return;
  lanes_.Wait(*first->job);
  if (first->job->Withdraw()) return GiveBack({first->work}, 0);
  if (first->outcome.result.ok()) planner_.Ran(first->outcome.stage, first->outcome.seconds);
  if (Report(std::move(first->outcome))) return;
  // What the next ones need is out of reach as well.
  GiveBackWaiting();
  if (!stopping()) Wait(failure_backoff_.Next());
}

void WorkerLoop::GiveBackWaiting() {
  std::vector<Work> untouched;
  std::deque<std::unique_ptr<Running>> begun;
  for (std::unique_ptr<Running>& running : running_) {
    if (running->job->Withdraw()) {
      untouched.push_back(std::move(running->work));
    } else {
      begun.push_back(std::move(running));
    }
  }
  GiveBack(untouched, 0);
  running_ = std::move(begun);
}

void WorkerLoop::FinishBegun() {
  GiveBackWaiting();
  while (!running_.empty()) FinishFirst();
}

WorkerLoop::Outcome WorkerLoop::ExecuteOne(const Work& work) {
  const Lease& lease = work.lease;
  Outcome outcome{lease.id, lease.description, StageOrUnknown(lease), NotRun(lease), 0};
  spdlog::debug("begin: {} (attempt {})", lease.description, lease.attempt);
  const SteadyTime begin = parts_.clock.Now();
  if (lease.task.ok()) {
    stall_watch_.Begin({lease.id, lease.description, outcome.stage, lease.expected_seconds, work.context}, begin);
    const Heartbeat::Adopt adopt(&work.context->heartbeat());
    outcome.result = ExecuteGuarded(parts_.executor, *lease.task, *work.context);
    stall_watch_.End(lease.id);
  }
  outcome.seconds = std::chrono::duration<double>(parts_.clock.Now() - begin).count();
  work.context->SetProgress(1);
  return outcome;
}

bool WorkerLoop::Report(Outcome outcome) {
  const absl::Status status = outcome.result.status();
  if (!status.ok() && leases_.Alive(outcome.lease_id)) {
    spdlog::warn("{}: {}: {}", IsNobodysFault(status) ? "put back" : "failed", outcome.description, status.ToString());
  }
  if (!TryReport(outcome)) outbox_.push_back(std::move(outcome));
  if (status.ok()) failure_backoff_.Reset();
  if (status.ok() || absl::IsCancelled(status)) return true;
  if (IsNobodysFault(status)) return false;
  // A sick worker must not eat the queue.
  if (!stopping()) Wait(failure_backoff_.Next());
  return true;
}

bool WorkerLoop::TryReport(const Outcome& outcome) {
  if (abandoned() || !leases_.Alive(outcome.lease_id)) {
    Settle(outcome, "lost");
    return true;
  }
  const std::string& id = outcome.lease_id;
  absl::Status answer;
  std::string ended;
  if (outcome.result.ok()) {
    answer = parts_.coordinator.Complete(id, *outcome.result, outcome.seconds);
    ended = "done";
    if (!answer.ok() && !IsLost(answer) && !IsPassing(answer)) {
      spdlog::error("{}: the server refused the result: {}", outcome.description, answer.ToString());
      answer = parts_.coordinator.Fail(
          id, absl::InternalError(absl::StrCat("result refused: ", std::string(answer.message()))));
      ended = "failed";
    }
  } else if (IsNobodysFault(outcome.result.status())) {
    answer = parts_.coordinator.Release({id}, "");
    ended = "released";
  } else {
    answer = parts_.coordinator.Fail(id, outcome.result.status());
    ended = "failed";
  }
  NoteServer(answer, "report");
  if (IsPassing(answer)) return false;
  if (!answer.ok()) {
    spdlog::warn("{}: not accepted: {}", outcome.description, answer.ToString());
    ended = "lost";
  }
  Settle(outcome, ended);
  return true;
}

void WorkerLoop::Settle(const Outcome& outcome, const std::string& result) {
  leases_.Remove(outcome.lease_id);
  parts_.metrics.TaskEnded(outcome.stage, result, outcome.seconds);
  spdlog::info("{}: {} ({:.3f} s)", result, outcome.description, outcome.seconds);
}

bool WorkerLoop::Flush() {
  while (!outbox_.empty()) {
    if (!TryReport(outbox_.front())) return false;
    outbox_.pop_front();
  }
  report_backoff_.Reset();
  return true;
}

void WorkerLoop::ReleaseLeases(const std::vector<std::string>& ids, const std::string& exit_reason) {
  const absl::Status status = parts_.coordinator.Release(ids, exit_reason);
  if (!status.ok()) spdlog::debug("release: {}", status.ToString());
}

void WorkerLoop::NoteServer(const absl::Status& status, const std::string& call) {
  const bool reachable = !absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status);
  // A renewal writes nothing: it says nothing about room.
  const bool full = absl::IsResourceExhausted(status) || (server_full_ && (!reachable || call == "renew"));
  parts_.metrics.ServerReachable(reachable && !full);
  const std::string message(status.message());
  if (reachable_.exchange(reachable) != reachable) {
    if (reachable) {
      spdlog::info("the server answers again");
    } else {
      spdlog::warn("the server does not answer ({}: {}); trying again", call, message);
    }
  }
  if (server_full_.exchange(full) != full) {
    if (full) {
      spdlog::warn("the server has no room ({}: {}); trying again", call, message);
    } else {
      spdlog::info("the server has room again");
    }
  }
}

}  // namespace sub1quant
