#include "sample_inputs.h"

#include <cmath>
#include <random>

#include "absl/strings/str_cat.h"
#include "core/digest.h"

namespace sub1quant::testing {
namespace {

struct Kind {
  const char* name;
  int64_t rows, cols;
};
constexpr Kind kKinds[] = {
    {"mlp.down_proj", 1536, 6144},       {"mlp.gate_proj", 6144, 1536},       {"mlp.up_proj", 6144, 1536},
    {"per_layer_input_gate", 256, 1536}, {"per_layer_projection", 1536, 256}, {"self_attn.k_proj", 256, 1536},
    {"self_attn.o_proj", 1536, 2048},    {"self_attn.q_proj", 2048, 1536},    {"self_attn.v_proj", 256, 1536}};

struct Format {
  const char* method;
  double bpw, relative_mse;
};
constexpr Format kFormats[] = {{"int2_base", 2.125, 0.19},
                               {"int2_binary_residual", 3.25, 0.047},
                               {"int2_error_budget_k4", 3.71875, 0.031},
                               {"int2_error_budget_k8", 4.0625, 0.024},
                               {"groupwise_int4", 4.125, 0.0138}};

double Uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

ScanRow MakeScanRow(std::mt19937_64& random, int64_t index, const std::string& key, const Kind& kind) {
  ScanRow row{index, key, kind.rows, kind.cols, 0.25 + 2 * Uniform(random), {}};
  const double power = 4e-4 * std::exp(2 * Uniform(random) - 1);
  const auto params = static_cast<double>(kind.rows * kind.cols);
  for (const Format& format : kFormats) {
    CandidateRow candidate{format.method, static_cast<int64_t>(format.bpw * params), {}};
    candidate.error.Add(power * format.relative_mse * (0.9 + 0.2 * Uniform(random)) * params);
    row.candidates.push_back(candidate);
  }
  return row;
}

ManifestTensor Choose(const ScanRow& row, const CandidateRow& chosen) {
  ManifestTensor tensor;
  tensor.index = row.index;
  tensor.key = row.key;
  tensor.rows = row.rows;
  tensor.cols = row.cols;
  tensor.dtype = "BF16";
  tensor.tensor_sha256 = Sha256Hex(row.key);
  tensor.method = chosen.method;
  tensor.bits = chosen.bits;
  tensor.error = chosen.error;
  tensor.mse = chosen.error.ToDouble() / static_cast<double>(tensor.params());
  tensor.activation_weight = row.activation_weight;
  tensor.blob_sha256 = Sha256Hex(row.key + chosen.method);
  tensor.stored_bytes = static_cast<uint64_t>(chosen.bits) / 8;
  tensor.blob_bytes = tensor.stored_bytes + 400;
  return tensor;
}

ProtocolScore MakeScore(const std::vector<double>& losses, int64_t weight, int64_t scored) {
  ProtocolScore score;
  double sum = 0;
  for (const double loss : losses) {
    score.window_loss.push_back(loss);
    score.weights.push_back(weight);
    sum += loss;
  }
  score.perplexity = std::exp(sum / static_cast<double>(losses.size()));
  score.scored_tokens = scored * static_cast<int64_t>(losses.size());
  return score;
}

Evaluation MakeEvaluationOf(const std::vector<double>& losses, double seconds) {
  Evaluation evaluation;
  evaluation.dtype = "bfloat16";
  evaluation.device = "cuda:NVIDIA H100";
  evaluation.published = MakeScore(losses, 512, 511);
  std::vector<double> later = losses;
  for (double& loss : later) loss -= 0.05;
  evaluation.bos_per_window = MakeScore(later, 511, 511);
  evaluation.tokens = static_cast<int64_t>(2 * 512 * losses.size());
  evaluation.seconds = seconds;
  return evaluation;
}

}  // namespace

ReportInputs SampleInputs(int layers, int windows) {
  std::mt19937_64 random(20260629);
  ReportInputs inputs;
  inputs.version = "0.1.0";
  inputs.commit = "0123abc";
  inputs.specification.model_root = "local";
  inputs.specification.model_path = inputs.specification.model_name = "gemma-4-E2B-it";
  inputs.specification.label = "gemma-4-E2B-it-4bpw";
  inputs.model = {"gemma-4-E2B-it", "Gemma4ForConditionalGeneration", Sha256Hex("config"), "multimodal", 0, 0, 0, {}};

  TargetResult target;
  Manifest& manifest = target.manifest;
  manifest.model_name = inputs.model.name;
  manifest.selection = inputs.model.selection;
  manifest.target_bpw = 4.0;
  manifest.allocator = "greedy";
  manifest.inputs = Json::object();
  for (const Format& format : kFormats) manifest.formats.push_back(format.method);
  CandidateTable table;
  for (int layer = 0; layer < layers; ++layer) {
    for (const Kind& kind : kKinds) {
      const auto key = absl::StrCat("model.language_model.layers.", layer, ".", kind.name, ".weight");
      inputs.scan.push_back(MakeScanRow(random, static_cast<int64_t>(inputs.scan.size()), key, kind));
      const ScanRow& row = inputs.scan.back();
      const double params = static_cast<double>(row.rows * row.cols);
      TableRow entry{row.index, row.key, row.rows * row.cols, row.activation_weight, {}};
      for (const CandidateRow& candidate : row.candidates)
        entry.candidates.push_back(
            {candidate.method, static_cast<double>(candidate.bits) / params, candidate.error.ToDouble() / params});
      table.rows.push_back(entry);
    }
  }
  const Allocation allocation = *AllocateGreedy(table, {});
  std::vector<ManifestTensor> uniform;
  uint64_t stored = 0, source = 0;
  for (size_t i = 0; i < inputs.scan.size(); ++i) {
    for (const CandidateRow& candidate : inputs.scan[i].candidates)
      if (candidate.method == allocation.chosen[i].method)
        manifest.tensors.push_back(Choose(inputs.scan[i], candidate));
    uniform.push_back(Choose(inputs.scan[i], inputs.scan[i].candidates.back()));
    stored += manifest.tensors.back().stored_bytes;
    source += static_cast<uint64_t>(manifest.tensors.back().params() * 2);
  }
  manifest.totals = TotalsOf(manifest.tensors, {});
  manifest.uniform_int4 = TotalsOf(uniform, {});
  inputs.model.quantizable_tensors = manifest.totals.layers;
  inputs.model.quantizable_parameters = manifest.totals.total_params;
  inputs.model.total_bytes = source + 5'000'000'000;
  target.bound_gap = allocation.bound_gap;
  target.model_bytes = stored + 5'000'000'000;
  target.checkpoint_bytes = stored + 350'000;

  std::vector<double> base, quantized;
  for (int i = 0; i < windows; ++i) {
    base.push_back(2.4 + 0.8 * (Uniform(random) - 0.5));
    quantized.push_back(base.back() + 0.02 + 0.04 * (Uniform(random) - 0.5));
  }
  inputs.base = MakeEvaluationOf(base, 41.25);
  target.quantized = MakeEvaluationOf(quantized, 42.5);
  target.quantized->replaced = manifest.totals.layers - 1;
  target.quantized->skipped = 1;
  inputs.model.kv_shared_unused_keys = {manifest.tensors.back().key};
  inputs.targets.push_back(std::move(target));
  inputs.token_count = 512 * windows;
  inputs.tokens_sha256 = Sha256Hex("tokens");
  inputs.chunks = windows;
  inputs.timings = {{"inspect", 0.031},   {"search", 7.92},           {"allocate", 0.004}, {"pack", 12.4},
                    {"score_base", 41.3}, {"score_quantized", 141.8}, {"export", 3.5}};
  inputs.workers = {{"worker-a", "cuda:NVIDIA H100", 341}, {"worker-b", "cpu", 12}};
  return inputs;
}

}  // namespace sub1quant::testing
