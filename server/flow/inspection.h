// What inspect found, as the stage's document: everything that later steps need to know of model and text. A value with
// a JSON form.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/artifact/manifest.h"
#include "quant/model/tensor.h"
#include "quant/report/report.h"

namespace sub1quant {

struct InspectedTensor {
  int64_t index = 0;  // enumeration order of the quantizable matrices
  TensorRecord record;
  std::string file_identity;
  std::string pinned_method;  // of a --pin, else ""
};

struct Inspection {
  ModelFacts facts;
  std::string model_identity;            // digest over the identities of config and weights
  std::vector<InspectedTensor> tensors;  // to be quantized
  std::vector<KeptTensor> kept;          // pinned to keep, or excluded
  // Of the text; 0 and "" without scoring.
  std::string tokens_sha256;
  int64_t token_count = 0;
  int64_t published_windows = 0, bos_windows = 0;
  double window_seconds = 0;  // estimate for one full window on one CPU core
};

std::string InspectionToJson(const Inspection& inspection);
absl::StatusOr<Inspection> InspectionFromJson(const std::string& text);

}  // namespace sub1quant
