// Step 6: packed blobs → the manifest of the artifact.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "quant/artifact/manifest.h"
#include "quant/plan/specification.h"
#include "quant/plan/tasks.h"
#include "server/flow/allocate.h"
#include "server/flow/inspection.h"

namespace sub1quant {

// `searched` (empty without a search) and `packed` in the order of inspection.tensors. FailedPrecondition naming the
// matrix if the model changed between the two.
absl::StatusOr<Manifest> MakeManifest(const JobSpecification& specification, const Inspection& inspection,
                                      const Decision& decision, const std::vector<ScanRow>& scan,
                                      const std::vector<SearchResult>& searched, const std::vector<PackResult>& packed,
                                      int target);

}  // namespace sub1quant
