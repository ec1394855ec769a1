// A job as its stages have left it in the store: documents and results decoded into values.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/plan/specification.h"
#include "quant/plan/tasks.h"
#include "quant/report/report.h"
#include "server/flow/allocate.h"
#include "server/flow/inspection.h"
#include "server/flow/planned_task.h"
#include "server/service_context.h"

namespace sub1quant {

class JobView {
 public:
  static absl::StatusOr<JobView> Open(ServiceContext& context, const JobRecord& job);

  const std::string& id() const { return id_; }
  const JobSpecification& specification() const { return specification_; }
  const Json& specification_json() const { return specification_json_; }

  absl::StatusOr<Inspection> ReadInspection() const;
  absl::StatusOr<std::vector<SearchResult>> ReadSearch() const;  // empty without a search
  absl::StatusOr<std::vector<ScanRow>> ReadScan(const Inspection& inspection) const;
  absl::StatusOr<Decision> ReadDecision(int target) const;
  absl::StatusOr<std::vector<PackResult>> ReadPack(int target) const;
  // The digest of the manifest blob that seal made.
  absl::StatusOr<std::string> ReadManifestDigest(int target) const;
  absl::StatusOr<ExportResult> ReadExport(int target) const;
  absl::StatusOr<std::vector<ScoreResult>> ReadScores(const StageKey& stage) const;

 private:
  JobView(ServiceContext& context, std::string id) : context_(&context), id_(std::move(id)) {}
  template <typename Result>
  absl::StatusOr<std::vector<Result>> ReadResults(const StageKey& stage) const;

  ServiceContext* context_;
  std::string id_;
  JobSpecification specification_;
  Json specification_json_;
};

}  // namespace sub1quant
