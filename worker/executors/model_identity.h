// The version of a whole model: what the coordinator saw when it inspected the model and names in every score task.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "quant/model/model_source.h"

namespace sub1quant {

// FailedPrecondition "model changed" unless config.json and the headers and identities of the weight files are those of
// ScoreTask::model_identity.
absl::Status CheckModelIdentity(ModelSource& source, const std::string& identity);

}  // namespace sub1quant
