#include "server/conductor.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "core/failpoint.h"
#include "core/status.h"
#include "proto/convert/convert.h"
#include "server/flow/stages.h"
#include "server/job_view.h"
#include "server/steps.h"
#include "spdlog/spdlog.h"

namespace sub1quant {
namespace {

constexpr std::chrono::milliseconds kIdle{250};
constexpr std::chrono::milliseconds kStuckPause{2000};

// The world's trouble: the store or the disk may be better later, the job stays as it is.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status);
}

bool AllDone(const std::vector<StageRecord>& stages, const std::vector<StageKey>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const StageKey& key) {
    return std::any_of(stages.begin(), stages.end(),
                       [&](const StageRecord& stage) { return stage.key == key && stage.state == "done"; });
  });
}

// The blob that a result names, or "".
std::string BlobOf(const std::string& result) {
  v1::TaskResult proto;
  if (!proto.ParseFromString(result)) return "";
  if (proto.has_pack()) return proto.pack().blob_sha256();
  if (proto.has_export_()) return proto.export_().blob_sha256();
  return "";
}

absl::StatusOr<std::vector<NewTask>> MakeNewTasks(ServiceContext& context, const std::vector<PlannedTask>& planned) {
  std::vector<std::string> keys;
  for (const PlannedTask& task : planned) keys.push_back(task.action_key);
  SUB1QUANT_ASSIGN_OR_RETURN(std::vector<std::optional<std::string>> results, context.store.FindResults(keys));
  std::vector<NewTask> tasks;
  for (size_t i = 0; i < planned.size(); ++i) {
    const v1::Task payload = ToProto(planned[i].task);
    NewTask task;
    task.ordinal = static_cast<int64_t>(i);
    task.operation = payload.has_search()  ? "search"
                     : payload.has_pack()  ? "pack"
                     : payload.has_score() ? "score"
                                           : "export";
    task.action_key = planned[i].action_key;
    task.affinity = planned[i].affinity;
    task.cost = planned[i].cost;
    task.description = planned[i].description;
    task.payload = payload.SerializeAsString();
    if (results[i]) {
      const std::string blob = BlobOf(*results[i]);
      if (blob.empty() || context.blobs.Size(blob).ok()) {
        task.result = std::move(results[i]);
      } else {
        SUB1QUANT_RETURN_IF_ERROR(context.store.ForgetResult(task.action_key));
      }
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

absl::Status StartStage(ServiceContext& context, const JobRecord& job, const JobView& view, const StageKey& stage) {
  if (IsServerStep(stage.name)) {
    SUB1QUANT_RETURN_IF_ERROR(context.store.StartStage(job.id, stage, {}));
    if (stage.name == kSeal) SUB1QUANT_RETURN_IF_ERROR(Failpoint("server.before_seal"));
    SUB1QUANT_ASSIGN_OR_RETURN(const StepResult result, RunServerStep(context, job, view, stage));
    return context.store.FinishStage(job.id, stage, result.document, result.outputs, result.warnings,
                                     result.references);
  }
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<PlannedTask> planned, PlanStage(view, stage));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<NewTask> tasks, MakeNewTasks(context, planned));
  SUB1QUANT_RETURN_IF_ERROR(Failpoint("server.before_stage_plan"));
  SUB1QUANT_RETURN_IF_ERROR(context.store.StartStage(job.id, stage, tasks));
  return Failpoint("server.after_stage_plan");
}

}  // namespace

absl::Status Conductor::MoveJob(const JobRecord& job, bool* moved) {
  if (job.cancelling) {
    *moved = true;
    return context_.store.EndJob(job.id, JobState::kCancelled, absl::CancelledError("cancelled"), {});
  }
  SUB1QUANT_ASSIGN_OR_RETURN(const std::optional<absl::Status> failed, context_.store.FailedTask(job.id));
  if (failed) {
    *moved = true;
    // A task's failure is the job's, whatever its code: the specification itself was accepted by inspect.
    return context_.store.EndJob(job.id, JobState::kFailed, absl::AbortedError(failed->message()), {});
  }
  SUB1QUANT_ASSIGN_OR_RETURN(const JobView view, JobView::Open(context_, job));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<StageRecord> stages, context_.store.Stages(job.id));
  if (std::all_of(stages.begin(), stages.end(), [](const StageRecord& stage) { return stage.state == "done"; })) {
    *moved = true;
    return context_.store.EndJob(job.id, JobState::kSucceeded, absl::OkStatus(), {});
  }
  for (const StageRecord& stage : stages) {
    // A server step that is running was cut off by a crash: it is run again.
    const bool startable = stage.state == "waiting" || (stage.state == "running" && IsServerStep(stage.key.name));
    if (!startable || !AllDone(stages, DependenciesOf(view.specification(), stage.key))) continue;
    *moved = true;
    SUB1QUANT_RETURN_IF_ERROR(StartStage(context_, job, view, stage.key));
    return absl::OkStatus();  // look again with fresh records
  }
  return absl::OkStatus();
}

// A reaper that was away (paused, cut off, busy with a long text) cannot know who renewed meanwhile: it waits one full
// time to live.
bool Conductor::MayExpire(SteadyTime now) {
  if (last_look_ && now - *last_look_ > context_.lease_ttl / 2) no_expiry_before_ = now + context_.lease_ttl;
  last_look_ = now;
  return now >= no_expiry_before_;
}

void Conductor::Expire(SteadyTime now, bool* moved) {
  if (!MayExpire(now)) return;
  const absl::StatusOr<int> expired = context_.store.ExpireLeases(now);
  if (!expired.ok()) {
    spdlog::warn("expiring leases: {}", std::string(expired.status().message()));
  } else if (*expired > 0) {
    spdlog::warn("{} lease(s) expired", *expired);
    metrics_.LeasesExpired(*expired);
    *moved = true;
  }
}

bool Conductor::Move(const JobRecord& job, SteadyTime now) {
  const auto stuck = stuck_.find(job.id);
  if (stuck != stuck_.end() && now < stuck->second.again && !job.cancelling) return false;
  bool moved = false;
  const absl::Status status = MoveJob(job, &moved);
  if (MayPass(status)) {
    const std::string why(status.message());
    if (stuck == stuck_.end() || stuck->second.why != why)
      spdlog::warn("job {}: {}; it stays and is tried again", job.id, why);
    stuck_[job.id] = {why, now + kStuckPause};
    return false;
  }
  if (stuck != stuck_.end()) stuck_.erase(stuck);
  if (status.ok()) return moved;
  spdlog::error("job {} failed: {}", job.id, std::string(status.message()));
  const absl::Status shown(status.code(), context_.paths.Shown(std::string(status.message())));
  const absl::Status ended = context_.store.EndJob(job.id, JobState::kFailed, shown, {});
  if (!ended.ok()) spdlog::warn("job {}: {}", job.id, std::string(ended.message()));
  return true;
}

bool Conductor::Step() {
  bool moved = false;
  const SteadyTime now = context_.clock.Now();
  Expire(now, &moved);
  metrics_.LookForVanished();
  const absl::StatusOr<std::vector<JobRecord>> jobs = context_.store.ActiveJobs();
  if (!jobs.ok()) {
    spdlog::warn("listing jobs: {}", std::string(jobs.status().message()));
    return false;
  }
  for (const JobRecord& job : *jobs)
    if (!stopping_) moved |= Move(job, now);
  return moved;
}

void Conductor::Run() {
  while (!stopping_) {
    const uint64_t seen = context_.store.ChangeCount();
    if (!Step()) context_.store.WaitForChange(seen, kIdle);
  }
}

}  // namespace sub1quant
