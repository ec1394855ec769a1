#include <set>

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "quant/report/evaluation_json.h"
#include "quant/report/json_access.h"
#include "quant/report/report.h"

namespace sub1quant {
namespace {

using report::FiniteOrNull;

int64_t SourceBytes(const ManifestTensor& tensor) { return tensor.params() * (tensor.dtype == "F32" ? 4 : 2); }

Json ModelJson(const ReportInputs& inputs, const TargetResult* target) {
  const ModelFacts& model = inputs.model;
  const std::string weights = target ? WeightsSha256(target->manifest) : "";
  Json json;
  json["name"] = model.name;
  json["architecture"] = model.architecture;
  json["selection"] = model.selection;
  json["config_sha256"] = model.config_sha256;
  json["weights_sha256"] = weights.empty() ? Json() : Json(weights);
  json["quantizable_tensors"] = model.quantizable_tensors;
  json["quantizable_parameters"] = model.quantizable_parameters;
  json["total_bytes"] = model.total_bytes;
  return json;
}

// What scoring the quantized model did with one matrix.
class Applied {
 public:
  Applied(const ModelFacts& model, const std::optional<Evaluation>& quantized)
      : evaluated_(quantized.has_value()),
        unused_(model.kv_shared_unused_keys.begin(), model.kv_shared_unused_keys.end()) {}
  const char* Of(const std::string& key) const {
    if (!evaluated_) return "not evaluated";
    return unused_.contains(key) ? "skipped" : "replaced";
  }

 private:
  bool evaluated_;
  std::set<std::string> unused_;
};

Json TensorJson(const ManifestTensor& tensor, const Applied& applied) {
  Json json;
  json["index"] = tensor.index;
  json["key"] = tensor.key;
  json["shape"] = {tensor.rows, tensor.cols};
  json["method"] = tensor.method;
  json["bpw"] = FiniteOrNull(static_cast<double>(tensor.bits) / static_cast<double>(tensor.params()));
  json["mse"] = FiniteOrNull(tensor.mse);
  json["params"] = tensor.params();
  json["applied"] = applied.Of(tensor.key);
  json["blob"] = tensor.blob_sha256;
  json["dtype"] = tensor.dtype;
  json["bits"] = tensor.bits;
  json["sse_2e60"] = tensor.error ? Json(tensor.error->ToHex()) : Json();
  json["activation_weight"] = FiniteOrNull(tensor.activation_weight);
  json["stored_bytes"] = tensor.stored_bytes;
  json["tensor_sha256"] = tensor.tensor_sha256;
  return json;
}

Json KeptJson(const std::vector<KeptTensor>& kept) {
  Json list = Json::array();
  for (const KeptTensor& tensor : kept) {
    Json json;
    json["key"] = tensor.key;
    json["shape"] = {tensor.rows, tensor.cols};
    json["dtype"] = tensor.dtype;
    json["reason"] = tensor.excluded ? "excluded" : "pinned";
    list.push_back(json);
  }
  return list;
}

Json UniformInt4Json(const std::optional<AllocationTotals>& totals) {
  if (!totals) return Json();
  Json json;
  json["average_bpw"] = FiniteOrNull(totals->average_bpw);
  json["weighted_mse"] = FiniteOrNull(totals->weighted_mse);
  return json;
}

Json AllocationJson(const ReportInputs& inputs, const TargetResult& target) {
  const Manifest& manifest = target.manifest;
  const Applied applied(inputs.model, target.quantized);
  std::map<std::string, int64_t> counts;
  uint64_t stored_bytes = 0, blob_bytes = 0;
  int64_t source_bytes = 0;
  Json tensors = Json::array();
  for (const ManifestTensor& tensor : manifest.tensors) {
    ++counts[tensor.method];
    stored_bytes += tensor.stored_bytes;
    blob_bytes += tensor.blob_bytes;
    source_bytes += SourceBytes(tensor);
    tensors.push_back(TensorJson(tensor, applied));
  }
  Json json;
  json["target_bpw"] = FiniteOrNull(manifest.target_bpw);
  json["average_bpw"] = FiniteOrNull(manifest.totals.average_bpw);
  json["allocator"] = manifest.allocator;
  // Nothing was optimised in a fixed allocation.
  json["bound_gap"] = target.manifest.allocator == "fixed" ? Json() : FiniteOrNull(target.bound_gap);
  json["stored_bytes"] = stored_bytes;
  json["model_bytes"] = target.model_bytes;
  json["checkpoint_bytes"] = target.checkpoint_bytes ? Json(*target.checkpoint_bytes) : Json();
  json["blob_bytes"] = blob_bytes;
  json["source_bytes"] = source_bytes;
  json["parameters"] = manifest.totals.total_params;
  json["weighted_mse"] = FiniteOrNull(manifest.totals.weighted_mse);
  json["compression_vs_bf16"] = FiniteOrNull(16.0 / manifest.totals.average_bpw);
  json["group_size"] = manifest.group_size;
  json["formats"] = manifest.formats;
  json["uniform_int4"] = UniformInt4Json(manifest.uniform_int4);
  json["method_counts"] = Json::object();
  for (const auto& [method, count] : counts) json["method_counts"][method] = count;
  json["kept"] = KeptJson(manifest.kept);
  json["tensors"] = std::move(tensors);
  return json;
}

Json TokensJson(const ReportInputs& inputs) {
  const bool counted = inputs.token_count > 0;
  Json json;
  json["count"] = counted ? Json(inputs.token_count) : Json();
  json["sha256_int32_le"] = inputs.tokens_sha256.empty() ? Json() : Json(inputs.tokens_sha256);
  json["chunks"] = counted ? Json(inputs.chunks) : Json();
  return json;
}

Json PerplexityJson(const std::optional<Evaluation>& base, const std::optional<Evaluation>& quantized) {
  Json json;
  json["base"] = base ? report::EvaluationToJson(*base) : Json();
  json["quantized"] = quantized ? report::EvaluationToJson(*quantized) : Json();
  json["difference"] = Json();
  if (base && quantized) {
    json["difference"] = Json::object();
    json["difference"]["published"] = report::DifferenceToJson(base->published, quantized->published);
    json["difference"]["bos_per_window"] = report::DifferenceToJson(base->bos_per_window, quantized->bos_per_window);
  }
  return json;
}

// Stages in the order in which they run, then any others.
Json TimingsJson(std::map<std::string, double> timings) {
  Json json = Json::object();
  for (const char* stage : {"inspect", "calibrate", "search", "allocate", "pack", "seal", "score_base",
                            "score_quantized", "aggregate", "export"})
    if (const auto found = timings.extract(stage)) json[stage] = FiniteOrNull(found.mapped());
  for (const auto& [stage, seconds] : timings) json[stage] = FiniteOrNull(seconds);
  return json;
}

Json WorkersJson(const std::vector<ReportInputs::Worker>& workers) {
  Json list = Json::array();
  for (const ReportInputs::Worker& worker : workers) {
    Json json;
    json["id"] = worker.id;
    json["device"] = worker.device;
    json["tasks"] = worker.tasks;
    list.push_back(json);
  }
  return list;
}

// What a reader must know and nobody wrote down yet: matrices that the scored model did not take.
std::vector<std::string> Warnings(const ReportInputs& inputs, const TargetResult* target) {
  std::vector<std::string> warnings = inputs.warnings;
  if (!target || !target->quantized) return warnings;
  const Evaluation& quantized = *target->quantized;
  if (quantized.missing > 0)
    warnings.push_back(absl::StrCat(quantized.missing, " quantized matrices are not in the scored model"));
  if (quantized.shape_mismatches > 0)
    warnings.push_back(
        absl::StrCat(quantized.shape_mismatches, " quantized matrices have another shape in the scored model"));
  return warnings;
}

}  // namespace

Json MakeReport(const ReportInputs& inputs, size_t t) {
  SUB1QUANT_CHECK(t < inputs.targets.size() || (t == 0 && inputs.targets.empty()));
  const TargetResult* target = inputs.targets.empty() ? nullptr : &inputs.targets[t];
  Json json;
  json["version"] = 1;
  json["label"] = inputs.specification.label;
  json["sub1quant"] = Json::object();
  json["sub1quant"]["version"] = inputs.version;
  json["sub1quant"]["commit"] = inputs.commit;
  json["specification"] = ToJson(inputs.specification);
  json["model"] = ModelJson(inputs, target);
  json["allocation"] = target ? AllocationJson(inputs, *target) : Json();
  json["tokens"] = TokensJson(inputs);
  json["perplexity"] = PerplexityJson(inputs.base, target ? target->quantized : std::nullopt);
  json["timings"] = TimingsJson(inputs.timings);
  json["workers"] = WorkersJson(inputs.workers);
  json["events"] = inputs.events;
  json["warnings"] = Warnings(inputs, target);
  return json;
}

}  // namespace sub1quant
