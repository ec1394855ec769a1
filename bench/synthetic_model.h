// A model directory with the shapes of google/gemma-4-E2B and random weights, for benchmarks and for tests of scale:
// the text tensors only, in the published layout.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "quant/model/gemma4_config.h"
#include "quant/model/safetensors.h"

namespace sub1quant {

struct SyntheticModelOptions {
  int64_t layers = 35;
  int64_t vocabulary = 262144;
  uint64_t seed = 1;
  std::string tokenizer_directory;  // its tokenizer.json and tokenizer_config.json are copied
  std::string out;                  // created; an existing model in it is replaced
  int threads = 1;
};

// config.json of E2B with that many layers and vocabulary entries. Fewer layers keep the pattern (every fifth and the
// last are full) and about 4/7 of them share keys and values.
std::string SyntheticConfigJson(int64_t layers, int64_t vocabulary);

// All text tensors (600 for 35 layers) in ascending byte order of their keys, BF16.
std::vector<SafetensorsEntry> SyntheticTensors(const Gemma4Config& config);

absl::Status WriteSyntheticModel(const SyntheticModelOptions& options);

}  // namespace sub1quant
