#include "server/services/messages.h"

#include "core/json.h"
#include "core/status.h"
#include "proto/convert/convert.h"
#include "quant/plan/specification.h"

namespace sub1quant {
namespace {

v1::JobState StateOf(JobState state) {
  switch (state) {
    case JobState::kAccepted:
      return v1::JOB_STATE_ACCEPTED;
    case JobState::kRunning:
      return v1::JOB_STATE_RUNNING;
    case JobState::kSucceeded:
      return v1::JOB_STATE_SUCCEEDED;
    case JobState::kFailed:
      return v1::JOB_STATE_FAILED;
    case JobState::kCancelled:
      return v1::JOB_STATE_CANCELLED;
  }
  return v1::JOB_STATE_UNSPECIFIED;
}

// A worker that has not been heard of for this long is called gone.
constexpr double kGoneSeconds = 60;

}  // namespace

absl::StatusOr<v1::Job> MakeJob(StateStore& store, const JobRecord& record, bool with_outputs, double now) {
  v1::Job job;
  job.set_id(record.id);
  job.set_state(StateOf(record.state));
  SUB1QUANT_ASSIGN_OR_RETURN(const Json json, ParseJson(record.specification));
  SUB1QUANT_ASSIGN_OR_RETURN(const JobSpecification specification, SpecificationFromJson(json));
  *job.mutable_specification() = ToProto(specification);
  job.set_error_code(record.error_code);
  job.set_error_message(record.error_message);
  job.set_created_at(record.created_at);
  job.set_finished_at(record.finished_at);
  job.set_cancelling(record.cancelling && !Ended(record.state));
  for (const std::string& warning : record.warnings) job.add_warnings(warning);
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<StageRecord> stages, store.Stages(record.id));
  // A stage that a failure or a cancellation cut off ended with its job.
  const double end = Ended(record.state) ? record.finished_at : now;
  for (const StageRecord& stage : stages) {
    v1::StageProgress& progress = *job.add_stages();
    progress.set_name(stage.key.name);
    progress.set_target(stage.key.target);
    progress.set_state(stage.state);
    progress.set_done(stage.done);
    progress.set_total(stage.total);
    progress.set_reused(stage.reused);
    progress.set_cost_total(stage.cost_total);
    progress.set_cost_done(stage.cost_done);
    if (stage.started_at > 0)
      progress.set_seconds((stage.finished_at > 0 ? stage.finished_at : end) - stage.started_at);
  }
  if (!with_outputs) return job;
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<OutputRecord> outputs, store.Outputs(record.id));
  for (const OutputRecord& output : outputs) {
    v1::Output& message = *job.add_outputs();
    message.set_path(output.path);
    message.set_sha256(output.sha256);
    message.set_size(output.size);
  }
  return job;
}

v1::JobEvent MakeEvent(const EventRecord& record) {
  v1::JobEvent event;
  event.set_sequence(record.sequence);
  event.set_at(record.at);
  event.set_kind(record.kind);
  event.set_stage(record.stage);
  event.set_target(record.target);
  event.set_message(record.message);
  return event;
}

v1::WorkerStatus MakeWorkerStatus(const WorkerRecord& record) {
  v1::WorkerStatus status;
  status.set_name(record.name);
  status.set_device(record.device);
  status.set_version(record.version);
  status.set_tasks_done(record.tasks_done);
  status.set_last_seen_seconds_ago(record.seen_seconds_ago);
  for (const std::string& stage : record.stages) status.add_stages(stage);
  status.set_state(record.seen_seconds_ago > kGoneSeconds ? "gone"
                   : record.draining                      ? "draining"
                   : record.stages.empty()                ? "idle"
                                                          : "busy");
  return status;
}

}  // namespace sub1quant
