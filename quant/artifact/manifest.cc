#include "quant/artifact/manifest.h"

#include <string>

#include "core/file.h"
#include "core/status.h"
#include "quant/model/tensor.h"

namespace sub1quant {
namespace {

Json OptionalNumber(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json TotalsToJson(const AllocationTotals& totals) {
  Json json = Json::object();
  json["layers"] = totals.layers;
  json["total_params"] = totals.total_params;
  json["average_bpw"] = totals.average_bpw;
  json["weighted_mse"] = OptionalNumber(totals.weighted_mse);
  return json;
}

Json TensorToJson(const ManifestTensor& tensor) {
  Json json = Json::object();
  json["index"] = tensor.index;
  json["key"] = tensor.key;
  json["shape"] = {tensor.rows, tensor.cols};
  json["dtype"] = tensor.dtype;
  json["tensor_sha256"] = tensor.tensor_sha256;
  json["method"] = tensor.method;
  json["codec_version"] = tensor.codec_version;
  json["bits"] = tensor.bits;
  json["sse_2e60"] = tensor.error ? Json(tensor.error->ToHex()) : Json(nullptr);
  json["mse"] = OptionalNumber(tensor.mse);
  json["activation_weight"] = tensor.activation_weight;
  json["blob_sha256"] = tensor.blob_sha256;
  json["blob_bytes"] = tensor.blob_bytes;
  json["stored_bytes"] = tensor.stored_bytes;
  return json;
}

Json KeptToJson(const KeptTensor& kept) {
  Json json = Json::object();
  json["index"] = kept.index;
  json["key"] = kept.key;
  json["dtype"] = kept.dtype;
  json["shape"] = {kept.rows, kept.cols};
  json["tensor_sha256"] = kept.tensor_sha256;
  json["excluded"] = kept.excluded;
  return json;
}

}  // namespace

std::string ManifestToJson(const Manifest& manifest) {
  Json json = Json::object();
  json["kind"] = "sub1quant artifact";
  json["format_version"] = 1;
  json["model_name"] = manifest.model_name;
  json["selection"] = manifest.selection;
  json["group_size"] = manifest.group_size;
  json["target_bpw"] = OptionalNumber(manifest.target_bpw);
  json["allocator"] = manifest.allocator;
  json["formats"] = manifest.formats;
  json["inputs"] = manifest.inputs;
  json["totals"] = TotalsToJson(manifest.totals);
  json["uniform_int4"] = manifest.uniform_int4 ? TotalsToJson(*manifest.uniform_int4) : Json(nullptr);
  Json tensors = Json::array();
  for (const ManifestTensor& tensor : manifest.tensors) tensors.push_back(TensorToJson(tensor));
  json["tensors"] = std::move(tensors);
  Json kept = Json::array();
  for (const KeptTensor& tensor : manifest.kept) kept.push_back(KeptToJson(tensor));
  json["kept"] = std::move(kept);
  return DumpJson(json);
}

AllocationTotals TotalsOf(const std::vector<ManifestTensor>& tensors, const std::vector<KeptTensor>& kept) {
  AllocationTotals totals;
  int64_t bits = 0;
  double error = 0;  // a kept tensor adds none
  bool known = true;
  for (const ManifestTensor& tensor : tensors) {
    ++totals.layers;
    totals.total_params += tensor.params();
    bits += tensor.bits;
    known = known && tensor.mse.has_value();
    error += tensor.mse.value_or(0) * static_cast<double>(tensor.params());
  }
  for (const KeptTensor& tensor : kept) {
    if (tensor.excluded) continue;
    const std::optional<DType> dtype = ParseDType(tensor.dtype);
    totals.total_params += tensor.rows * tensor.cols;
    bits += tensor.rows * tensor.cols * (dtype ? DTypeSize(*dtype) * 8 : 0);
  }
  if (totals.total_params == 0) return totals;
  totals.average_bpw = static_cast<double>(bits) / static_cast<double>(totals.total_params);
  if (known) totals.weighted_mse = error / static_cast<double>(totals.total_params);
  return totals;
}

absl::StatusOr<Artifact> OpenArtifact(const std::string& directory) {
  constexpr uint64_t kMaxManifest = uint64_t{256} << 20;
  const std::string path = directory + "/manifest.json";
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxManifest));
  absl::StatusOr<Manifest> manifest = ManifestFromJson(text);
  if (!manifest.ok()) return Annotate(manifest.status(), path);
  if (!IsDirectory(directory + "/blobs"))
    return absl::NotFoundError(directory + "/blobs: no such directory; it holds the weights of manifest.json");
  SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<BlobStore> blobs, OpenBlobDirectory(directory + "/blobs", /*flat=*/true));
  return Artifact{*std::move(manifest), std::move(blobs)};
}

}  // namespace sub1quant
