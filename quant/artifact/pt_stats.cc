#include "quant/artifact/pt_stats.h"

#include <cmath>
#include <map>

namespace sub1quant {
namespace {

double BitsPerWeight(const ManifestTensor& tensor) {
  return static_cast<double>(tensor.bits) / static_cast<double>(tensor.params());
}

Json Number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }
Json Root(const std::optional<double>& value) { return value ? Json(std::sqrt(*value)) : Json(nullptr); }
Json Compression(double bpw) { return bpw > 0 ? Json(16.0 / bpw) : Json(nullptr); }

Json MethodCounts(const Manifest& manifest) {
  std::map<std::string, int64_t> counts;
  for (const ManifestTensor& tensor : manifest.tensors) ++counts[tensor.method];
  Json json = Json::object();
  for (const auto& [method, count] : counts) json[method] = count;
  return json;
}

Json LayerStats(const Manifest& manifest) {
  Json list = Json::array();
  for (const ManifestTensor& tensor : manifest.tensors) {
    Json json = Json::object();
    json["idx"] = tensor.index;
    json["key"] = tensor.key;
    json["method"] = tensor.method;
    json["shape"] = {tensor.rows, tensor.cols};
    json["params"] = tensor.params();
    json["bpw"] = BitsPerWeight(tensor);
    json["mse"] = Number(tensor.mse);
    json["rmse"] = Root(tensor.mse);
    list.push_back(std::move(json));
  }
  return list;
}

std::optional<double> WeightedMse(const ManifestTensor& tensor) {
  if (!tensor.mse) return std::nullopt;
  return *tensor.mse * tensor.activation_weight;
}

std::optional<double> WeightedSse(const ManifestTensor& tensor) {
  if (!tensor.mse) return std::nullopt;
  return *tensor.mse * tensor.activation_weight * static_cast<double>(tensor.params());
}

Json SelectedLayers(const Manifest& manifest) {
  Json list = Json::array();
  for (const ManifestTensor& tensor : manifest.tensors) {
    Json json = Json::object();
    json["method"] = tensor.method;
    json["bpw"] = BitsPerWeight(tensor);
    json["mse"] = Number(tensor.mse);
    json["idx"] = tensor.index;
    json["key"] = tensor.key;
    json["params"] = tensor.params();
    json["activation_weight"] = tensor.activation_weight;
    json["weighted_mse"] = Number(WeightedMse(tensor));
    json["total_bits"] = BitsPerWeight(tensor) * static_cast<double>(tensor.params());
    json["weighted_sse"] = Number(WeightedSse(tensor));
    list.push_back(std::move(json));
  }
  return list;
}

// As the allocation saw the totals: errors weighted by activation too.
AllocationTotals SelectedTotals(const Manifest& manifest) {
  AllocationTotals totals = manifest.totals;
  double sum = 0;
  for (const ManifestTensor& tensor : manifest.tensors) {
    const std::optional<double> weighted = WeightedSse(tensor);
    if (!weighted) return totals.weighted_mse.reset(), totals;
    sum += *weighted;
  }
  if (totals.total_params > 0) totals.weighted_mse = sum / static_cast<double>(totals.total_params);
  return totals;
}

// The six fields that a scan writes of an allocation.
Json ScanTotals(const AllocationTotals& totals) {
  Json json = Json::object();
  json["layers"] = totals.layers;
  json["total_params"] = totals.total_params;
  json["avg_bpw"] = totals.average_bpw;
  json["weighted_mse"] = Number(totals.weighted_mse);
  json["weighted_rmse"] = Root(totals.weighted_mse);
  json["compression_vs_bf16"] = Compression(totals.average_bpw);
  return json;
}

Json SourceAllocation(const Manifest& manifest) {
  Json json = ScanTotals(SelectedTotals(manifest));
  json["target_avg_bpw"] = Number(manifest.target_bpw);
  json["selected_layers"] = SelectedLayers(manifest);
  json["method_counts"] = MethodCounts(manifest);
  json["mi_prior"] = 0.0;
  json["mi_used"] = false;
  return json;
}

}  // namespace

Json PtStats(const Manifest& manifest) {
  const AllocationTotals& totals = manifest.totals;
  Json json = Json::object();
  json["method"] = "mixed_budget";
  json["format_version"] = 1;
  json["group_size"] = manifest.group_size;
  json["layers"] = totals.layers;
  json["total_params"] = totals.total_params;
  json["avg_bpw"] = totals.average_bpw;
  json["compression_vs_bf16"] = Compression(totals.average_bpw);
  json["weighted_mse"] = Number(totals.weighted_mse);
  json["weighted_rmse"] = Root(totals.weighted_mse);
  json["method_counts"] = MethodCounts(manifest);
  json["layer_stats"] = LayerStats(manifest);
  json["source_allocation"] = SourceAllocation(manifest);
  json["uniform_int4"] = manifest.uniform_int4 ? ScanTotals(*manifest.uniform_int4) : Json(nullptr);
  return json;
}

Json PtConfig(const Manifest& manifest) {
  Json json = Json::object();
  json["model_dir"] = manifest.model_name;
  json["group_size"] = manifest.group_size;
  json["max_layers"] = nullptr;
  json["source_scan"] = nullptr;
  json["checkpoint_dir"] = nullptr;
  return json;
}

Json PtWeightKeys(const Manifest& manifest) {
  Json list = Json::array();
  for (const ManifestTensor& tensor : manifest.tensors) {
    Json json = Json::object();
    json["key"] = tensor.key;
    json["shape"] = {tensor.rows, tensor.cols};
    json["method"] = tensor.method;
    list.push_back(std::move(json));
  }
  return list;
}

}  // namespace sub1quant
