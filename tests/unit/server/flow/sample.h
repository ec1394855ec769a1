// A model of three matrices as inspect would describe it, and jobs over it.
#pragma once

#include <string>
#include <vector>

#include "quant/plan/specification.h"
#include "server/flow/inspection.h"

namespace sub1quant {

inline JobSpecification SampleJob() {
  JobSpecification s;
  s.model_root = "models";
  s.model_path = "some/model";
  s.model_name = "model";
  s.corpus_sha256 = std::string(64, 'c');
  return s;
}

inline InspectedTensor SampleTensor(int64_t index, const std::string& key, int64_t rows, int64_t cols) {
  InspectedTensor tensor;
  tensor.index = index;
  tensor.record = {key,
                   DType::kBF16,
                   {rows, cols},
                   "model.safetensors",
                   1000 * static_cast<uint64_t>(index + 1),
                   static_cast<uint64_t>(2 * rows * cols)};
  tensor.file_identity = "identity";
  return tensor;
}

inline Inspection SampleInspection() {
  Inspection inspection;
  inspection.facts.selection = "text-only";
  inspection.facts.total_bytes = 1000000;
  inspection.model_identity = "model-identity";
  inspection.tensors = {SampleTensor(0, "a.weight", 128, 128), SampleTensor(1, "b.weight", 256, 128),
                        SampleTensor(2, "c.weight", 64, 256)};
  inspection.tokens_sha256 = std::string(64, 't');
  inspection.token_count = 10001;
  inspection.published_windows = 20;
  inspection.bos_windows = 20;
  inspection.window_seconds = 0.5;
  return inspection;
}

}  // namespace sub1quant
