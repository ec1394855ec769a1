// scan.json in the published tool's words and key order; `bits`, `sse`, `sse_2e60` and `total_bits` of the allocation
// are ours.
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/numbers.h"
#include "core/check.h"
#include "quant/report/json_access.h"
#include "quant/report/report.h"

namespace sub1quant {
namespace {

using report::FiniteOrNull;

constexpr char kOutlierPrefix[] = "int2_error_budget_k";

// The K of every int2_error_budget_k{K} among the candidates, ascending.
std::set<int> OutlierOptions(const std::vector<ScanRow>& rows) {
  std::set<int> options;
  const std::string prefix = kOutlierPrefix;
  for (const ScanRow& row : rows)
    for (const CandidateRow& candidate : row.candidates) {
      const std::string& method = candidate.method;
      int k = 0;
      if (method.compare(0, prefix.size(), prefix) == 0 && absl::SimpleAtoi(method.substr(prefix.size()), &k))
        options.insert(k);
    }
  return options;
}

Json TotalsJson(const AllocationTotals& totals) {
  Json json;
  json["layers"] = totals.layers;
  json["total_params"] = totals.total_params;
  json["avg_bpw"] = FiniteOrNull(totals.average_bpw);
  json["weighted_mse"] = FiniteOrNull(totals.weighted_mse);
  json["weighted_rmse"] = totals.weighted_mse ? FiniteOrNull(std::sqrt(*totals.weighted_mse)) : Json();
  json["compression_vs_bf16"] = FiniteOrNull(16.0 / totals.average_bpw);
  return json;
}

double BitsPerWeight(int64_t bits, int64_t params) { return static_cast<double>(bits) / static_cast<double>(params); }

Json CandidateJson(const CandidateRow& row, int64_t params) {
  const double sse = row.error.ToDouble();
  Json json;
  json["method"] = row.method;
  json["bpw"] = FiniteOrNull(BitsPerWeight(row.bits, params));
  json["mse"] = FiniteOrNull(sse / static_cast<double>(params));
  json["bits"] = row.bits;
  json["sse"] = FiniteOrNull(sse);
  json["sse_2e60"] = row.error.ToHex();
  return json;
}

Json SelectedLayer(const ManifestTensor& tensor, double* total_bits) {
  const double params = static_cast<double>(tensor.params());
  const double bpw = BitsPerWeight(tensor.bits, tensor.params());
  std::optional<double> weighted_mse;
  if (tensor.mse) weighted_mse = *tensor.mse * tensor.activation_weight;
  Json json;
  json["method"] = tensor.method;
  json["bpw"] = FiniteOrNull(bpw);
  json["mse"] = FiniteOrNull(tensor.mse);
  json["bits"] = tensor.bits;
  json["sse"] = tensor.error ? FiniteOrNull(tensor.error->ToDouble()) : Json();
  json["sse_2e60"] = tensor.error ? Json(tensor.error->ToHex()) : Json();
  json["idx"] = tensor.index;
  json["key"] = tensor.key;
  json["params"] = tensor.params();
  json["activation_weight"] = FiniteOrNull(tensor.activation_weight);
  json["weighted_mse"] = FiniteOrNull(weighted_mse);
  json["total_bits"] = FiniteOrNull(bpw * params);
  json["weighted_sse"] = weighted_mse ? FiniteOrNull(*weighted_mse * params) : Json();
  *total_bits += bpw * params;
  return json;
}

// A given allocation was not searched for: of each matrix what packing measured, the one method.
std::vector<ScanRow> PackedRows(const Manifest& manifest) {
  std::vector<ScanRow> rows;
  for (const ManifestTensor& tensor : manifest.tensors) {
    ScanRow row{tensor.index, tensor.key, tensor.rows, tensor.cols, tensor.activation_weight, {}};
    if (tensor.error) row.candidates.push_back({tensor.method, tensor.bits, *tensor.error});
    rows.push_back(std::move(row));
  }
  return rows;
}

// What groupwise_int4 everywhere comes to, as far as it was measured.
std::optional<AllocationTotals> UniformInt4(const Manifest& manifest) {
  if (manifest.uniform_int4) return manifest.uniform_int4;
  for (const ManifestTensor& tensor : manifest.tensors)
    if (tensor.method != "groupwise_int4") return std::nullopt;
  return TotalsOf(manifest.tensors, {});
}

Json MixedAllocation(const Manifest& manifest) {
  std::map<std::string, int64_t> counts;
  double total_bits = 0;
  Json selected = Json::array();
  for (const ManifestTensor& tensor : manifest.tensors) {
    selected.push_back(SelectedLayer(tensor, &total_bits));
    ++counts[tensor.method];
  }
  Json json = TotalsJson(manifest.totals);
  json["target_avg_bpw"] = FiniteOrNull(manifest.target_bpw);
  json["selected_layers"] = std::move(selected);
  json["method_counts"] = Json::object();
  for (const auto& [method, count] : counts) json["method_counts"][method] = count;
  json["mi_prior"] = 0.0;
  json["mi_used"] = false;
  json["total_bits"] = FiniteOrNull(total_bits);
  return json;
}

Json LayerJson(const ScanRow& row) {
  const int64_t params = row.rows * row.cols;
  Json json;
  json["idx"] = row.index;
  json["key"] = row.key;
  json["shape"] = {row.rows, row.cols};
  json["params"] = params;
  json["activation_weight"] = FiniteOrNull(row.activation_weight);
  json["candidates"] = Json::array();
  for (const CandidateRow& candidate : row.candidates) json["candidates"].push_back(CandidateJson(candidate, params));
  return json;
}

}  // namespace

Json MakeScan(const ReportInputs& inputs, size_t t) {
  SUB1QUANT_CHECK(t < inputs.targets.size());
  const Manifest& manifest = inputs.targets[t].manifest;
  const std::vector<ScanRow> rows = inputs.scan.empty() ? PackedRows(manifest) : inputs.scan;
  const std::optional<AllocationTotals> uniform_int4 = UniformInt4(manifest);
  Json json;
  json["group_size"] = manifest.group_size;
  json["outlier_options"] = OutlierOptions(rows);
  json["max_layers"] = Json();
  json["target_bpw"] = FiniteOrNull(manifest.target_bpw);
  json["uniform_int4"] = uniform_int4 ? TotalsJson(*uniform_int4) : Json();
  json["mixed_allocation"] = MixedAllocation(manifest);
  json["layers"] = Json::array();
  for (const ScanRow& row : rows) json["layers"].push_back(LayerJson(row));
  return json;
}

}  // namespace sub1quant
