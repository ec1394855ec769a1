// verify PATH: every digest, every size, and that every matrix decodes to finite numbers.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sub1quant {

struct VerifyReport {
  std::string kind;  // "artifact" or "pt"
  int64_t tensors = 0;
  uint64_t bytes = 0;
  std::vector<std::string> problems;  // empty: all good
};

// PATH: an artifact directory, an output directory of `run` (its artifact/ and checkpoint.pt), or a .pt file.
absl::StatusOr<VerifyReport> VerifyPath(const std::string& path, int threads);

}  // namespace sub1quant
