#include "server/flow/search.h"

#include <algorithm>

#include "core/check.h"
#include "quant/codec/codec.h"
#include "server/flow/action_key.h"

namespace sub1quant {
namespace {

// Of one CPU core with the five published formats: for the order of tasks and the time left, nothing else.
constexpr double kSearchWeightsPerSecond = 3e8;
constexpr double kMinActivationWeight = 0.05, kMaxActivationWeight = 20;

}  // namespace

std::vector<std::string> CandidateMethods(const JobSpecification& specification, const InspectedTensor& tensor) {
  std::vector<std::string> methods = specification.formats.empty() ? PublishedMethods() : specification.formats;
  const std::string& pinned = tensor.pinned_method;
  if (!pinned.empty() && std::find(methods.begin(), methods.end(), pinned) == methods.end()) methods.push_back(pinned);
  return methods;
}

std::vector<PlannedTask> PlanSearch(const JobSpecification& specification, const Inspection& inspection) {
  std::vector<PlannedTask> tasks;
  for (const InspectedTensor& tensor : inspection.tensors) {
    SearchTask task;
    task.model = {specification.model_root, specification.model_path};
    task.tensor = tensor.record;
    task.file_identity = tensor.file_identity;
    task.group_size = specification.group_size;
    task.methods = CandidateMethods(specification, tensor);
    PlannedTask planned;
    planned.cost = static_cast<double>(tensor.record.elements()) / kSearchWeightsPerSecond;
    planned.description = tensor.record.key;
    planned.task = std::move(task);
    planned.action_key = ActionKeyOf(planned.task);
    tasks.push_back(std::move(planned));
  }
  return tasks;
}

double ActivationWeightOf(const JobSpecification& specification, const std::string& key, int64_t index) {
  double weight = 1.0;
  const std::string number = std::to_string(index);
  for (const auto& [name, value] : specification.activation_weights)
    if (name == number) weight = value;
  for (const auto& [name, value] : specification.activation_weights)
    if (name == key) weight = value;
  return std::clamp(weight, kMinActivationWeight, kMaxActivationWeight);
}

std::vector<ScanRow> MakeScanRows(const JobSpecification& specification, const Inspection& inspection,
                                  const std::vector<SearchResult>& results) {
  SUB1QUANT_CHECK(results.size() == inspection.tensors.size());
  std::vector<ScanRow> rows;
  for (size_t i = 0; i < results.size(); ++i) {
    const InspectedTensor& tensor = inspection.tensors[i];
    ScanRow row;
    row.index = tensor.index;
    row.key = tensor.record.key;
    row.rows = tensor.record.rows();
    row.cols = tensor.record.cols();
    row.activation_weight = ActivationWeightOf(specification, row.key, row.index);
    row.candidates = results[i].rows;
    rows.push_back(std::move(row));
  }
  return rows;
}

CandidateTable MakeTable(const JobSpecification& specification, const Inspection& inspection,
                         const std::vector<ScanRow>& scan) {
  SUB1QUANT_CHECK(scan.size() == inspection.tensors.size());
  CandidateTable table;
  for (size_t i = 0; i < scan.size(); ++i) {
    TableRow row;
    row.index = scan[i].index;
    row.key = scan[i].key;
    row.params = scan[i].rows * scan[i].cols;
    row.activation_weight = scan[i].activation_weight;
    const std::string& pinned = inspection.tensors[i].pinned_method;
    for (const CandidateRow& candidate : scan[i].candidates) {
      if (!pinned.empty() && candidate.method != pinned) continue;
      const auto params = static_cast<double>(row.params);
      row.candidates.push_back(
          {candidate.method, static_cast<double>(candidate.bits) / params, candidate.error.ToDouble() / params});
    }
    table.rows.push_back(std::move(row));
  }
  for (const KeptTensor& kept : inspection.kept) {
    if (kept.excluded) continue;
    TableRow row;
    row.index = static_cast<int64_t>(table.rows.size());
    row.key = kept.key;
    row.params = kept.rows * kept.cols;
    row.activation_weight = ActivationWeightOf(specification, row.key, row.index);
    row.candidates.push_back({"keep", 8.0 * DTypeSize(ParseDType(kept.dtype).value_or(DType::kBF16)), 0.0});
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace sub1quant
