#include "server/job_view.h"

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "proto/convert/convert.h"
#include "server/flow/search.h"
#include "server/flow/stages.h"

namespace sub1quant {

absl::StatusOr<JobView> JobView::Open(ServiceContext& context, const JobRecord& job) {
  JobView view(context, job.id);
  SUB1QUANT_ASSIGN_OR_RETURN(view.specification_json_, ParseJson(job.specification));
  SUB1QUANT_ASSIGN_OR_RETURN(view.specification_, SpecificationFromJson(view.specification_json_));
  return view;
}

absl::StatusOr<Inspection> JobView::ReadInspection() const {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string document, context_->store.StageDocument(id_, {kInspect, 0}));
  return InspectionFromJson(document);
}

template <typename Result>
absl::StatusOr<std::vector<Result>> JobView::ReadResults(const StageKey& stage) const {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<DoneTask> tasks, context_->store.DoneTasks(id_, stage));
  std::vector<Result> results;
  for (const DoneTask& task : tasks) {
    v1::TaskResult proto;
    if (!proto.ParseFromString(task.result)) return absl::DataLossError(absl::StrCat("result of ", stage.name));
    SUB1QUANT_ASSIGN_OR_RETURN(TaskResult result, FromProto(proto));
    if (!std::holds_alternative<Result>(result))
      return absl::DataLossError(absl::StrCat("kind of result of ", stage.name));
    results.push_back(std::get<Result>(std::move(result)));
  }
  return results;
}

absl::StatusOr<std::vector<SearchResult>> JobView::ReadSearch() const {
  if (!Searches(specification_)) return std::vector<SearchResult>();
  return ReadResults<SearchResult>({kSearch, 0});
}

absl::StatusOr<std::vector<ScanRow>> JobView::ReadScan(const Inspection& inspection) const {
  if (!Searches(specification_)) return std::vector<ScanRow>();
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<SearchResult> searched, ReadSearch());
  return MakeScanRows(specification_, inspection, searched);
}

absl::StatusOr<Decision> JobView::ReadDecision(int target) const {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string document, context_->store.StageDocument(id_, {kAllocate, target}));
  return DecisionFromJson(document);
}

absl::StatusOr<std::vector<PackResult>> JobView::ReadPack(int target) const {
  return ReadResults<PackResult>({kPack, target});
}

absl::StatusOr<std::string> JobView::ReadManifestDigest(int target) const {
  if (!specification_.quantize) return specification_.checkpoint_manifest_sha256;
  return context_->store.StageDocument(id_, {kSeal, target});
}

absl::StatusOr<ExportResult> JobView::ReadExport(int target) const {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<ExportResult> results, ReadResults<ExportResult>({kExport, target}));
  if (results.size() != 1) return absl::DataLossError("export has no result");
  return results.front();
}

absl::StatusOr<std::vector<ScoreResult>> JobView::ReadScores(const StageKey& stage) const {
  return ReadResults<ScoreResult>(stage);
}

}  // namespace sub1quant
