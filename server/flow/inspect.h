// Step 1: model and text → Inspection. Reads headers and small files, counts tokens, plans the windows, and refuses
// whatever could not work later.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/artifact/blob_store.h"
#include "quant/model/model_source.h"
#include "quant/plan/specification.h"
#include "server/flow/inspection.h"

namespace sub1quant {

struct InspectResult {
  Inspection inspection;
  std::vector<std::string> warnings;
};

// Reads the corpus from `blobs` and stores the token ids there. Problems of model, text or specification are
// InvalidArgument or NotFound with one line that names them.
absl::StatusOr<InspectResult> Inspect(const JobSpecification& specification, ModelSource& model, BlobStore& blobs);

}  // namespace sub1quant
