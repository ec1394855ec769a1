// What a job is asked to do: the options of `run` and `submit` (docs/interface.md §2) as one value. The same value
// comes from flags, from --spec FILE.json, travels in proto JobSpecification and stands in every report.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/json.h"

namespace sub1quant {

struct PinRule {
  std::string regex;   // ECMAScript, searched in the key
  std::string format;  // method or "keep"
  friend bool operator==(const PinRule&, const PinRule&) = default;
};

struct JobSpecification {
  // Model under a root of the server: `root`/`path`.
  std::string model_root;
  std::string model_path;
  std::string model_name;     // base name, for reports and the .pt `config.model_dir`
  std::string corpus_sha256;  // blob with the UTF-8 text; empty when evaluate is false
  std::string corpus_name;

  bool quantize = true;  // false: `evaluate` (perplexity only)
  std::string
      checkpoint_manifest_sha256;  // with quantize = false: blob with the manifest of the artifact to score, or ""

  std::vector<double> target_bpw = {4.0};
  std::string uniform;                                          // method, or "" for a search
  std::vector<std::pair<std::string, std::string>> allocation;  // key → method from --allocation FILE; empty: search
  std::vector<std::string> formats;                             // candidate methods; empty: published
  int group_size = 128;
  std::string allocator = "greedy";                                // or "optimal"
  std::vector<std::pair<std::string, double>> activation_weights;  // key or index as text → weight
  std::vector<PinRule> pins;
  std::vector<std::string> excludes;

  bool evaluate = true;  // false: --no-eval
  bool baseline = true;  // false: --no-baseline
  int64_t window = 512;
  int64_t stride = 512;
  int64_t max_chunks = 0;      // 0: all
  std::string dtype = "auto";  // auto, float32, bfloat16
  bool published_protocol = true;
  bool bos_per_window_protocol = true;

  std::string label;

  friend bool operator==(const JobSpecification&, const JobSpecification&) = default;
};

// Stable keys, defaults written out; what report.json carries as "specification".
Json ToJson(const JobSpecification& specification);
// Unknown keys and wrong types are InvalidArgument naming the key; absent keys take the default.
absl::StatusOr<JobSpecification> SpecificationFromJson(const Json& json);
// Everything that can be judged without looking at the model: ranges, known names, regular expressions, combinations.
// InvalidArgument naming option, value and what is accepted.
absl::Status Validate(const JobSpecification& specification);

}  // namespace sub1quant
