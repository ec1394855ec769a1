// The idempotency key of `run`: the same command on the same files finds its earlier job again.
#pragma once

#include <string>
#include <vector>

#include "quant/model/model_source.h"
#include "quant/plan/specification.h"

namespace sub1quant {

// Of specification (which holds the corpus digest), the identities of the model's *.json and *.safetensors files, the
// device asked for and this build.
std::string JobKey(const JobSpecification& specification, const std::vector<ModelSource::File>& files,
                   const std::string& device);
// The key of the n-th try (from 1): a failed or cancelled job keeps its own.
std::string JobKeyAttempt(const std::string& key, int attempt);

}  // namespace sub1quant
