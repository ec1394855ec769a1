// The values that travel between coordinator and workers: what a task is asked, what it answers. Answers are sums and
// counts; ratios are made once, at the end. proto/sub1quant/v1/plan.proto mirrors this file, proto/convert is the only
// translator.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/exact_sum.h"
#include "quant/model/tensor.h"
#include "quant/search/search.h"

namespace sub1quant {

// Where a worker finds a model: a root that server and worker know by the same name, and a path beneath it.
struct ModelReference {
  std::string root;
  std::string path;
  friend bool operator==(const ModelReference&, const ModelReference&) = default;
};

struct SearchTask {
  ModelReference model;
  TensorRecord tensor;
  std::string file_identity;  // ModelFile::identity; a worker that sees another one fails the task ("model changed")
  int group_size = 128;
  std::vector<std::string> methods;
};
struct SearchResult {
  std::string tensor_sha256;
  std::vector<CandidateRow> rows;  // in the order of `methods`
};

struct PackTask {
  ModelReference model;
  TensorRecord tensor;
  std::string file_identity;
  int group_size = 128;
  std::string method;
};
struct PackResult {
  std::string tensor_sha256;
  std::string blob_sha256;
  uint64_t blob_bytes = 0;
  uint64_t stored_bytes = 0;  // of the arrays
  CandidateRow row;           // bits and exact error of what was packed
};

// A run of consecutive windows of one protocol over the token blob (int32 little-endian, one <bos> first).
struct ScoreTask {
  ModelReference model;
  std::string model_identity;   // digest over the files' identities: the worker's key for the loaded model
  std::string manifest_sha256;  // blob with the artifact manifest whose matrices replace the model's; "" = base
  std::string tokens_sha256;
  bool bos_per_window = false;  // else the published protocol
  int64_t window = 512, stride = 512;
  int64_t first = 0, count = 0;  // windows [first, first + count)
  std::string dtype = "auto";
};
struct WindowScore {
  int64_t index = 0;
  int64_t scored = 0;  // targets that count
  int64_t weight = 0;  // published: target length of the window (its tokens when stride = window); else = scored
  ExactSum nll;        // sum over the scored targets of -ln p, each a float32
  ExactSum nll_squared;
};
struct ScoreResult {
  std::vector<WindowScore> windows;
  std::string dtype;   // what was used: float32 or bfloat16
  std::string device;  // "cpu", "cuda:NAME"
  double seconds = 0;
  int64_t replaced = 0, skipped = 0, missing = 0, shape_mismatches = 0;  // matrices of the manifest
};

struct ExportTask {
  ModelReference model;
  std::string manifest_sha256;
  std::string target = "pt";
};
struct ExportResult {
  std::string blob_sha256;
  uint64_t blob_bytes = 0;
};

using Task = std::variant<SearchTask, PackTask, ScoreTask, ExportTask>;
using TaskResult = std::variant<SearchResult, PackResult, ScoreResult, ExportResult>;

}  // namespace sub1quant
