#include "quant/eval/torch/overlay.h"

#include <ATen/ops/empty.h>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/artifact/dense.h"
#include "quant/codec/codec.h"
#include "quant/eval/torch/tensor_reader.h"
#include "quant/eval/torch/torch_device.h"

namespace sub1quant {
namespace {

std::string ShapeText(int64_t rows, int64_t cols) { return absl::StrCat("[", rows, ",", cols, "]"); }

// Empty if `tensor` fits the model, else why not; counts it either way.
std::string Match(const ManifestTensor& tensor, const TensorMap& tensors, const std::unordered_set<std::string>& used,
                  const std::unordered_set<std::string>& unused, OverlayPlan& plan) {
  const auto found = tensors.find(tensor.key);
  const bool is_used = used.count(tensor.key) > 0;
  if (found == tensors.end() || (!is_used && unused.count(tensor.key) == 0)) {
    ++plan.stats.missing;
    return found == tensors.end() ? "is not in the model" : "is no matrix of the text model's forward pass";
  }
  const TensorRecord& record = *found->second;
  if (record.shape.size() != 2 || record.rows() != tensor.rows || record.cols() != tensor.cols) {
    ++plan.stats.shape_mismatches;
    const std::string shape = record.shape.size() == 2 ? ShapeText(record.rows(), record.cols()) : "not 2-D";
    return absl::StrCat("is ", ShapeText(tensor.rows, tensor.cols), " in the manifest and ", shape, " in the model");
  }
  ++(is_used ? plan.stats.replaced : plan.stats.skipped);
  if (is_used && !plan.replacements.emplace(tensor.key, &tensor).second) return "is in the manifest twice";
  return "";
}

}  // namespace

absl::StatusOr<OverlayPlan> PlanOverlay(const Manifest& manifest, const TensorMap& tensors,
                                        const std::unordered_set<std::string>& used,
                                        const std::unordered_set<std::string>& unused) {
  OverlayPlan plan;
  std::string first_problem;
  for (const ManifestTensor& tensor : manifest.tensors) {
    const std::string problem = Match(tensor, tensors, used, unused, plan);
    if (!problem.empty() && first_problem.empty()) first_problem = absl::StrCat("matrix '", tensor.key, "' ", problem);
  }
  if (first_problem.empty()) return plan;
  return absl::InvalidArgumentError(absl::StrCat(first_problem, " (of ", manifest.tensors.size(), " matrices ",
                                                 plan.stats.missing, " missing, ", plan.stats.shape_mismatches,
                                                 " of another shape)"));
}

absl::StatusOr<at::Tensor> ReconstructMatrix(const WeightOverlay& overlay, const ManifestTensor& tensor,
                                             const TensorRecord& record, const at::Device& device) {
  const std::string where = absl::StrCat("matrix '", tensor.key, "'");
  const Codec* codec = FindCodec(tensor.method);
  if (codec == nullptr)
    return absl::InvalidArgumentError(absl::StrCat(where, ": unknown format '", tensor.method, "'"));
  SUB1QUANT_ASSIGN_OR_RETURN(const at::ScalarType stored, WeightScalarType(record));
  const at::Tensor values = at::empty({tensor.rows, tensor.cols}, at::kFloat);
  const absl::Status decoded = [&]() -> absl::Status {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::string bytes, overlay.blobs->Get(tensor.blob_sha256));
    SUB1QUANT_ASSIGN_OR_RETURN(const EncodedMatrix encoded,
                               EncodedFromBlob(bytes, tensor, overlay.manifest->group_size));
    return codec->Decode(encoded, 0, tensor.rows, static_cast<float*>(values.data_ptr()));
  }();
  if (!decoded.ok()) return Annotate(decoded, where);
  at::Tensor rounded = StagingTensor({tensor.rows, tensor.cols}, stored, device);
  RoundToDType(static_cast<const float*>(values.data_ptr()), values.numel(), record.dtype, rounded.data_ptr());
  return rounded;
}

}  // namespace sub1quant
