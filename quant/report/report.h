// The report of a job: report.json first, everything else is made from it. Also scan.json and eval_*.json with the
// published tool's fields. Keys are stable (docs/interface.md §3); more may be added.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/json.h"
#include "quant/allocate/allocate.h"
#include "quant/artifact/manifest.h"
#include "quant/eval/aggregate.h"
#include "quant/plan/specification.h"
#include "quant/plan/tasks.h"

namespace sub1quant {

// What inspect found.
struct ModelFacts {
  std::string name, architecture;
  std::string config_sha256;
  std::string selection;  // "multimodal" or "text-only"
  int64_t quantizable_tensors = 0, quantizable_parameters = 0;
  uint64_t total_bytes = 0;  // of all tensors
  // Quantizable matrices that the forward pass never reads: k_proj and v_proj of layers that share another layer's keys
  // and values. Shown as applied: "skipped".
  std::vector<std::string> kv_shared_unused_keys;
};

// One searched matrix.
struct ScanRow {
  int64_t index = 0;
  std::string key;
  int64_t rows = 0, cols = 0;
  double activation_weight = 1.0;
  std::vector<CandidateRow> candidates;
};

// Scores of one model (base, or one target's artifact).
struct Evaluation {
  std::string dtype, device;
  std::optional<ProtocolScore> published, bos_per_window;
  double seconds = 0;  // of workers, summed over tasks
  int64_t tokens = 0;  // input tokens processed
  int64_t replaced = 0, skipped = 0, missing = 0, shape_mismatches = 0;
};

// One target (or the only allocation of a uniform or fixed job).
struct TargetResult {
  Manifest manifest;
  double bound_gap = 0;
  uint64_t model_bytes = 0;                  // whole model with the quantized matrices in their stored form
  std::optional<uint64_t> checkpoint_bytes;  // of checkpoint.pt
  std::optional<Evaluation> quantized;
};

struct ReportInputs {
  JobSpecification specification;
  std::string version, commit;
  ModelFacts model;
  std::vector<ScanRow> scan;  // empty without a search
  std::vector<TargetResult> targets;
  int64_t token_count = 0;
  std::string tokens_sha256;
  int64_t chunks = 0;  // windows of the published protocol
  std::optional<Evaluation> base;
  std::map<std::string, double> timings;  // stage → seconds
  struct Worker {
    std::string id, device;
    int64_t tasks = 0;
  };
  std::vector<Worker> workers;
  Json events = Json::array();
  std::vector<std::string> warnings;
};

// SHA-256 over the lines `key dtype [rows,cols] sha256\n` of all quantizable matrices, packed and kept, in enumeration
// order: a fingerprint of the model, whatever a job does with it. "" if a digest is unknown.
std::string WeightsSha256(const Manifest& manifest);

// report.json of target `t` (index into targets; with several targets each has its own). A job without targets
// (`evaluate`) has t = 0.
Json MakeReport(const ReportInputs& inputs, size_t t);
// scan.json of a job that quantizes: group_size, outlier_options, target_bpw, uniform_int4, mixed_allocation, layers[…]
// as the published tool writes it, and bits, sse, sse_2e60 of ours. Without a search a layer has one candidate: what
// was packed.
Json MakeScan(const ReportInputs& inputs, size_t t);
// eval_base.json / eval_quantized.json: label, mode, ppl, seq_len, chunks, apply_stats, device, elapsed_s, and
// per-window sums.
Json MakeEvaluation(const ReportInputs& inputs, const Evaluation& evaluation, const std::string& mode);

// For a terminal, from report.json alone; `colour` uses ANSI.
std::string RenderText(const Json& report, bool colour);
// Self-contained HTML with inline SVG (no network), from report.json and scan.json (may be null).
std::string RenderHtml(const Json& report, const Json& scan);
// `compare A B`: sizes, perplexities, paired difference of per-window losses (InvalidArgument if the corpora differ).
absl::StatusOr<Json> CompareReports(const Json& a, const Json& b);
std::string RenderComparison(const Json& comparison, bool colour);

// Reads the allocation of a scan.json, a report.json or a manifest.json: key → method (for --allocation FILE).
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> AllocationFromFile(const std::string& text);

}  // namespace sub1quant
