// Which matrices of the model a manifest replaces, and their reconstruction. Private to this folder.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "absl/status/statusor.h"
#include "quant/eval/torch/scorer.h"
#include "quant/model/tensor.h"

namespace sub1quant {

using TensorMap = std::unordered_map<std::string, const TensorRecord*>;

struct OverlayPlan {
  std::unordered_map<std::string, const ManifestTensor*> replacements;  // by key; into the manifest
  ApplyStats stats;
};

// Matches every matrix of the manifest with the model: one of `used` is replaced, one of `unused` (keys and values of
// layers that share them) is skipped, anything else is missing. InvalidArgument naming the first key that is missing,
// has another shape or comes twice, with the counts.
absl::StatusOr<OverlayPlan> PlanOverlay(const Manifest& manifest, const TensorMap& tensors,
                                        const std::unordered_set<std::string>& used,
                                        const std::unordered_set<std::string>& unused);

// The matrix as the published evaluation sees it: float32 reconstruction, rounded to the dtype of `record`, which is
// the result's. In memory of the host from which it can be copied to `device` (StagingTensor).
absl::StatusOr<at::Tensor> ReconstructMatrix(const WeightOverlay& overlay, const ManifestTensor& tensor,
                                             const TensorRecord& record, const at::Device& device);

}  // namespace sub1quant
