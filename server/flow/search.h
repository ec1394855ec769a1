// Step 3: matrices × candidate formats → one search task per matrix, and their answers → the candidate table.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/allocate/allocate.h"
#include "quant/plan/specification.h"
#include "quant/plan/tasks.h"
#include "server/flow/inspection.h"
#include "server/flow/planned_task.h"

namespace sub1quant {

// The candidates of one matrix: those of the job, and the one that it is pinned to.
std::vector<std::string> CandidateMethods(const JobSpecification& specification, const InspectedTensor& tensor);

std::vector<PlannedTask> PlanSearch(const JobSpecification& specification, const Inspection& inspection);

// `results` in the order of inspection.tensors. For the report.
std::vector<ScanRow> MakeScanRows(const JobSpecification& specification, const Inspection& inspection,
                                  const std::vector<SearchResult>& results);

// Activation weight of a matrix: by key, then by its index as text, else 1; kept within [0.05, 20].
double ActivationWeightOf(const JobSpecification& specification, const std::string& key, int64_t index);

// The table that the allocators see: a pinned matrix has one candidate, a kept one the candidate "keep" of its own
// width and no error, an excluded one no row. Rows: inspection.tensors, then the kept.
CandidateTable MakeTable(const JobSpecification& specification, const Inspection& inspection,
                         const std::vector<ScanRow>& scan);

}  // namespace sub1quant
