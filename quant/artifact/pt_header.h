// The dict of a checkpoint → a manifest. Accepts the mixed layout and the reference's uniform-INT4 one.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "quant/artifact/manifest.h"
#include "quant/artifact/pickle_reader.h"

namespace sub1quant {

struct PtHeader {
  Manifest manifest;                        // digests, dtypes and exact errors empty
  std::vector<const PickleValue*> entries;  // of manifest.tensors; they live as long as the dict
};

absl::StatusOr<PtHeader> ReadPtHeader(const PickleValue& root);

}  // namespace sub1quant
