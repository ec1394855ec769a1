// A quantized checkpoint to be scored: its blobs go to the server, its manifest is named in the specification.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "quant/artifact/blob_store.h"
#include "quant/model/model_source.h"

namespace sub1quant {

// `path`: a .pt file, an artifact directory or an output directory of `run`. `model` (may be null) checks the keys of a
// .pt. Returns the digest of the manifest blob.
absl::StatusOr<std::string> PutCheckpoint(const std::string& path, ModelSource* model, BlobStore& blobs);

// The artifact directory that `path` is or holds as artifact/; NotFound if neither.
absl::StatusOr<std::string> FindArtifact(const std::string& path);

}  // namespace sub1quant
