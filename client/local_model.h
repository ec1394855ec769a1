// The user's own model directory, looked at before anything is started: headers and names only.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/model/model_source.h"
#include "quant/plan/specification.h"

namespace sub1quant {

struct LocalModel {
  std::string directory;  // absolute, links resolved
  std::string name;       // last component as the user wrote it
  std::vector<ModelSource::File> files;
};

// Unimplemented for s3:// and https://, which this version does not read.
absl::Status CheckModelAddress(const std::string& model);

// NotFound for no such directory; InvalidArgument if it lacks what `specification` needs: safetensors files with a
// quantizable matrix, config.json and tokenizer.json for scoring.
absl::StatusOr<LocalModel> LookAtModel(const std::string& directory, const JobSpecification& specification);

}  // namespace sub1quant
