#include "server/flow/seal.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "core/status.h"
#include "quant/codec/codec.h"
#include "server/flow/search.h"
#include "server/flow/stages.h"

namespace sub1quant {
namespace {

// What an allocation of groupwise_int4 everywhere would have been, for the published `stats`.
std::optional<AllocationTotals> UniformInt4(const std::vector<ScanRow>& scan) {
  std::vector<ManifestTensor> tensors;
  for (const ScanRow& row : scan) {
    const auto found = std::find_if(row.candidates.begin(), row.candidates.end(),
                                    [](const CandidateRow& c) { return c.method == "groupwise_int4"; });
    if (found == row.candidates.end()) return std::nullopt;
    ManifestTensor tensor;
    tensor.rows = row.rows;
    tensor.cols = row.cols;
    tensor.bits = found->bits;
    tensor.mse = found->error.ToDouble() / static_cast<double>(tensor.params());
    tensors.push_back(tensor);
  }
  if (tensors.empty()) return std::nullopt;
  return TotalsOf(tensors, {});
}

Json InputsOf(const JobSpecification& specification) {
  Json inputs;
  inputs["pins"] = Json::array();
  for (const PinRule& pin : specification.pins)
    inputs["pins"].push_back({{"regex", pin.regex}, {"format", pin.format}});
  inputs["excludes"] = specification.excludes;
  inputs["activation_weights"] = Json::object();
  for (const auto& [name, weight] : specification.activation_weights) inputs["activation_weights"][name] = weight;
  return inputs;
}

ManifestTensor MakeTensor(const JobSpecification& specification, const InspectedTensor& tensor,
                          const PackResult& packed) {
  ManifestTensor result;
  result.index = tensor.index;
  result.key = tensor.record.key;
  result.rows = tensor.record.rows();
  result.cols = tensor.record.cols();
  result.dtype = DTypeName(tensor.record.dtype);
  result.tensor_sha256 = packed.tensor_sha256;
  result.method = packed.row.method;
  const Codec* codec = FindCodec(result.method);
  result.codec_version = codec == nullptr ? 0 : codec->version();
  result.bits = packed.row.bits;
  result.error = packed.row.error;
  result.mse = packed.row.error.ToDouble() / static_cast<double>(result.params());
  result.activation_weight = ActivationWeightOf(specification, result.key, result.index);
  result.blob_sha256 = packed.blob_sha256;
  result.blob_bytes = packed.blob_bytes;
  result.stored_bytes = packed.stored_bytes;
  return result;
}

}  // namespace

absl::StatusOr<Manifest> MakeManifest(const JobSpecification& specification, const Inspection& inspection,
                                      const Decision& decision, const std::vector<ScanRow>& scan,
                                      const std::vector<SearchResult>& searched, const std::vector<PackResult>& packed,
                                      int target) {
  SUB1QUANT_CHECK(packed.size() == inspection.tensors.size());
  Manifest manifest;
  manifest.model_name = specification.model_name;
  manifest.selection = inspection.facts.selection;
  manifest.group_size = specification.group_size;
  manifest.allocator = decision.allocator;
  if (Searches(specification)) {
    manifest.target_bpw = specification.target_bpw.at(target);
    manifest.formats = specification.formats.empty() ? PublishedMethods() : specification.formats;
  }
  manifest.inputs = InputsOf(specification);
  for (size_t i = 0; i < packed.size(); ++i) {
    if (!searched.empty() && searched[i].tensor_sha256 != packed[i].tensor_sha256)
      return absl::FailedPreconditionError(
          absl::StrCat(inspection.tensors[i].record.key, ": the model's bytes changed during the job"));
    manifest.tensors.push_back(MakeTensor(specification, inspection.tensors[i], packed[i]));
  }
  manifest.kept = inspection.kept;
  manifest.totals = TotalsOf(manifest.tensors, manifest.kept);
  manifest.uniform_int4 = UniformInt4(scan);
  return manifest;
}

}  // namespace sub1quant
