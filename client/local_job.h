// One job on this machine: private server, workers, submit, watch, results, stop. What `run` and `evaluate` without
// --server share.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/context.h"
#include "core/json.h"
#include "quant/plan/specification.h"

namespace sub1quant {

struct LocalJob {
  JobSpecification specification;         // model, corpus and label are filled in here
  std::string model, corpus, checkpoint;  // paths; checkpoint may be ""
  std::string state;
  std::string device = "auto";
  int workers = 0, threads = 0;  // 0: chosen
  uint64_t memory = 0;           // of each worker's scoring, bytes; 0: chosen
  std::string out;               // "": see default_out
  bool default_out = false;      // sub1quant-out/LABEL where `out` is ""; else no files
  bool force = false;
};

struct LocalResult {
  std::string job, out;
  std::vector<std::pair<std::string, Json>> reports;  // path in the output directory → report.json
};

// Ctrl-C once: the job is cancelled, finished task results stay in the state directory, nothing is left in `out`:
// Cancelled. Twice: children are killed and the process ends with 5.
absl::StatusOr<LocalResult> RunLocalJob(Context& context, LocalJob job);

}  // namespace sub1quant
