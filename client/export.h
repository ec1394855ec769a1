// An artifact in other layouts (docs/interface.md §2, `export`).
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "quant/artifact/manifest.h"
#include "quant/model/model_source.h"

namespace sub1quant {

// The published .pt. With `model`, int2_base matrices are encoded again from it, so that their entries carry the
// residual arrays that the published tool writes; without (null) those entries lack them, which readers accept.
// FailedPrecondition if the model's matrices give other bytes than the artifact holds.
absl::Status ExportPt(const Artifact& artifact, ModelSource* model, int threads, const std::string& path);

}  // namespace sub1quant
