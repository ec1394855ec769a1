#include "server/steps.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "core/status.h"
#include "core/version.h"
#include "server/flow/aggregate.h"
#include "server/flow/export.h"
#include "server/flow/inspect.h"
#include "server/flow/pack.h"
#include "server/flow/score.h"
#include "server/flow/seal.h"
#include "server/flow/search.h"
#include "server/flow/stages.h"

namespace sub1quant {
namespace {

absl::StatusOr<StepResult> RunInspect(ServiceContext& context, const JobView& view) {
  const JobSpecification& specification = view.specification();
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<ModelSource> model,
                             OpenModel(context, specification.model_root, specification.model_path));
  SUB1QUANT_ASSIGN_OR_RETURN(const InspectResult found, Inspect(specification, *model, context.blobs));
  StepResult result;
  result.document = InspectionToJson(found.inspection);
  for (const std::string& warning : found.warnings) result.warnings.push_back(context.paths.Shown(warning));
  for (const std::string& blob :
       {specification.corpus_sha256, found.inspection.tokens_sha256, specification.checkpoint_manifest_sha256})
    if (!blob.empty()) result.references.push_back(blob);
  return result;
}

absl::StatusOr<StepResult> RunAllocate(const JobView& view, int target) {
  SUB1QUANT_ASSIGN_OR_RETURN(const Inspection inspection, view.ReadInspection());
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<ScanRow> scan, view.ReadScan(inspection));
  SUB1QUANT_ASSIGN_OR_RETURN(const Decision decision, Decide(view.specification(), inspection, scan, target));
  StepResult result;
  result.document = DecisionToJson(decision);
  return result;
}

absl::StatusOr<Manifest> Seal(const JobView& view, int target) {
  SUB1QUANT_ASSIGN_OR_RETURN(const Inspection inspection, view.ReadInspection());
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<SearchResult> searched, view.ReadSearch());
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<ScanRow> scan, view.ReadScan(inspection));
  SUB1QUANT_ASSIGN_OR_RETURN(const Decision decision, view.ReadDecision(target));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<PackResult> packed, view.ReadPack(target));
  return MakeManifest(view.specification(), inspection, decision, scan, searched, packed, target);
}

absl::StatusOr<StepResult> RunSeal(ServiceContext& context, const JobView& view, int target) {
  SUB1QUANT_ASSIGN_OR_RETURN(const Manifest manifest, Seal(view, target));
  const std::string json = ManifestToJson(manifest);
  StepResult result;
  SUB1QUANT_ASSIGN_OR_RETURN(result.document, PutBlob(context.blobs, json));
  const std::string folder = OutputPrefix(view.specification(), target) + "artifact/";
  std::map<std::string, uint64_t> blobs;  // two equal matrices share one
  for (const ManifestTensor& tensor : manifest.tensors) blobs[tensor.blob_sha256] = tensor.blob_bytes;
  for (const auto& [sha256, size] : blobs) result.outputs.push_back({folder + "blobs/" + sha256, sha256, size});
  result.outputs.push_back({folder + "manifest.json", result.document, json.size()});
  return result;
}

absl::StatusOr<Evaluation> ReadEvaluation(const JobView& view, const Inspection& inspection, const StageKey& stage,
                                          const std::string& manifest_sha256) {
  SUB1QUANT_ASSIGN_OR_RETURN(std::vector<ScoreResult> results, view.ReadScores(stage));
  const std::vector<PlannedTask> planned = PlanScore(view.specification(), inspection, manifest_sha256);
  if (planned.size() != results.size()) return absl::DataLossError(absl::StrCat(stage.name, ": results are missing"));
  std::vector<ScoredTask> scored;
  for (size_t i = 0; i < results.size(); ++i)
    scored.push_back({std::get<ScoreTask>(planned[i].task), std::move(results[i])});
  return FoldScores(inspection, view.specification(), scored);
}

absl::StatusOr<TargetResult> ReadTarget(ServiceContext& context, const JobView& view, const Inspection& inspection,
                                        int target) {
  TargetResult result;
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string digest, view.ReadManifestDigest(target));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string json, context.blobs.Get(digest));
  SUB1QUANT_ASSIGN_OR_RETURN(result.manifest, ManifestFromJson(json));
  result.model_bytes = ModelBytes(inspection, result.manifest);
  if (view.specification().quantize) {
    SUB1QUANT_ASSIGN_OR_RETURN(const Decision decision, view.ReadDecision(target));
    result.bound_gap = decision.bound_gap;
    SUB1QUANT_ASSIGN_OR_RETURN(const ExportResult exported, view.ReadExport(target));
    result.checkpoint_bytes = exported.blob_bytes;
  }
  if (view.specification().evaluate) {
    SUB1QUANT_ASSIGN_OR_RETURN(result.quantized, ReadEvaluation(view, inspection, {kScoreQuantized, target}, digest));
  }
  return result;
}

// Who did how many tasks of this job, stage times and events: what the report says about the run itself.
absl::Status AddHistory(ServiceContext& context, const JobView& view, ReportInputs* inputs) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<StageRecord> stages, context.store.Stages(view.id()));
  std::map<std::string, int64_t> tasks;
  for (const StageRecord& stage : stages) {
    if (stage.key.name == kAggregate) continue;
    inputs->timings[stage.key.name] += stage.finished_at - stage.started_at;
    SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<DoneTask> done, context.store.DoneTasks(view.id(), stage.key));
    for (const DoneTask& task : done)
      if (!task.worker.empty()) ++tasks[task.worker];
  }
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<WorkerRecord> workers, context.store.Workers(context.clock.Now()));
  for (const auto& [name, count] : tasks) {
    const auto found =
        std::find_if(workers.begin(), workers.end(), [&](const WorkerRecord& w) { return w.name == name; });
    inputs->workers.push_back({name, found == workers.end() ? "" : found->device, count});
  }
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<EventRecord> events, context.store.Events(view.id(), 0, 10000));
  for (const EventRecord& event : events) {
    if (event.kind == "task_done") continue;  // counted in stages and workers
    inputs->events.push_back({{"at", event.at},
                              {"kind", event.kind},
                              {"stage", event.stage},
                              {"target", event.target},
                              {"message", event.message}});
  }
  return absl::OkStatus();
}

absl::StatusOr<ReportInputs> ReadReportInputs(ServiceContext& context, const JobRecord& job, const JobView& view) {
  ReportInputs inputs;
  SUB1QUANT_ASSIGN_OR_RETURN(const Inspection inspection, view.ReadInspection());
  inputs.specification = view.specification();
  inputs.version = Version();
  inputs.commit = Commit();
  inputs.model = inspection.facts;
  inputs.warnings = job.warnings;
  inputs.token_count = inspection.token_count;
  inputs.tokens_sha256 = inspection.token_count > 0 ? inspection.tokens_sha256 : "";
  inputs.chunks = inspection.published_windows;
  SUB1QUANT_ASSIGN_OR_RETURN(inputs.scan, view.ReadScan(inspection));
  const std::vector<StageKey> stages = StagesOf(view.specification());
  if (std::find(stages.begin(), stages.end(), StageKey{kScoreBase, 0}) != stages.end()) {
    SUB1QUANT_ASSIGN_OR_RETURN(inputs.base, ReadEvaluation(view, inspection, {kScoreBase, 0}, ""));
  }
  const bool scored_only = !view.specification().quantize && !view.specification().checkpoint_manifest_sha256.empty();
  const int targets = scored_only ? 1 : TargetCount(view.specification());
  for (int target = 0; target < targets; ++target) {
    SUB1QUANT_ASSIGN_OR_RETURN(TargetResult result, ReadTarget(context, view, inspection, target));
    inputs.targets.push_back(std::move(result));
  }
  SUB1QUANT_RETURN_IF_ERROR(AddHistory(context, view, &inputs));
  return inputs;
}

absl::StatusOr<StepResult> RunAggregate(ServiceContext& context, const JobRecord& job, const JobView& view) {
  SUB1QUANT_ASSIGN_OR_RETURN(const ReportInputs inputs, ReadReportInputs(context, job, view));
  StepResult result;
  for (int target = 0; target < TargetCount(view.specification()); ++target) {
    SUB1QUANT_ASSIGN_OR_RETURN(const ExportResult exported, view.ReadExport(target));
    result.outputs.push_back(
        {OutputPrefix(view.specification(), target) + "checkpoint.pt", exported.blob_sha256, exported.blob_bytes});
  }
  for (const OutputFile& file : MakeReportFiles(inputs)) {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::string sha256, PutBlob(context.blobs, file.bytes));
    result.outputs.push_back({file.path, sha256, file.bytes.size()});
  }
  return result;
}

}  // namespace

bool IsServerStep(const std::string& stage) {
  return stage == kInspect || stage == kAllocate || stage == kSeal || stage == kAggregate;
}

absl::StatusOr<StepResult> RunServerStep(ServiceContext& context, const JobRecord& job, const JobView& view,
                                         const StageKey& stage) {
  if (stage.name == kInspect) return RunInspect(context, view);
  if (stage.name == kAllocate) return RunAllocate(view, stage.target);
  if (stage.name == kSeal) return RunSeal(context, view, stage.target);
  SUB1QUANT_CHECK(stage.name == kAggregate);
  return RunAggregate(context, job, view);
}

absl::StatusOr<std::vector<PlannedTask>> PlanStage(const JobView& view, const StageKey& stage) {
  const JobSpecification& specification = view.specification();
  SUB1QUANT_ASSIGN_OR_RETURN(const Inspection inspection, view.ReadInspection());
  if (stage.name == kSearch) return PlanSearch(specification, inspection);
  if (stage.name == kScoreBase) return PlanScore(specification, inspection, "");
  if (stage.name == kPack) {
    SUB1QUANT_ASSIGN_OR_RETURN(const Decision decision, view.ReadDecision(stage.target));
    return PlanPack(specification, inspection, decision);
  }
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string manifest, view.ReadManifestDigest(stage.target));
  if (stage.name == kScoreQuantized) return PlanScore(specification, inspection, manifest);
  SUB1QUANT_CHECK(stage.name == kExport);
  return PlanExport(specification, manifest, static_cast<double>(inspection.facts.quantizable_parameters));
}

}  // namespace sub1quant
