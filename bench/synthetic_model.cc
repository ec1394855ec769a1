#include "bench/synthetic_model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bench/synthetic_weights.h"
#include "core/check.h"
#include "core/file.h"
#include "core/json.h"
#include "core/parallel.h"
#include "core/status.h"

namespace sub1quant {
namespace {

constexpr int64_t kFullEvery = 5;
constexpr int64_t kBlockElements = int64_t{1} << 20;

bool IsFull(int64_t layer, int64_t layers) { return (layer + 1) % kFullEvery == 0 || layer + 1 == layers; }

// The last `shared` layers can reuse keys and values only if a layer of each of their types stands before them.
bool CanShare(int64_t shared, int64_t layers) {
  const int64_t first = layers - shared;
  for (int64_t layer = first; layer < layers; ++layer) {
    bool found = false;
    for (int64_t source = 0; source < first; ++source) found |= IsFull(source, layers) == IsFull(layer, layers);
    if (!found) return false;
  }
  return true;
}

int64_t SharedLayers(int64_t layers) {
  int64_t shared = layers * 4 / 7;
  while (!CanShare(shared, layers)) --shared;
  return shared;
}

absl::Status WriteMatrix(const SafetensorsEntry& entry, const SyntheticWeights& weights, int threads,
                         AtomicFile& file) {
  const int64_t rows = entry.shape[0], cols = entry.shape[1];
  const SyntheticWeights::Tensor tensor = weights.Matrix(entry.key, cols);
  const int64_t block_rows = std::max<int64_t>(1, kBlockElements / cols);
  std::vector<uint16_t> buffer(static_cast<size_t>(threads * block_rows * cols));
  for (int64_t first = 0; first < rows; first += threads * block_rows) {
    const int64_t count = std::min(threads * block_rows, rows - first);
    SUB1QUANT_RETURN_IF_ERROR(ParallelFor(threads, (count + block_rows - 1) / block_rows, [&](int64_t block) {
      for (int64_t i = block * block_rows; i < std::min(count, (block + 1) * block_rows); ++i) {
        tensor.FillRow(first + i, buffer.data() + i * cols);
      }
      return absl::OkStatus();
    }));
    SUB1QUANT_RETURN_IF_ERROR(file.Append(buffer.data(), static_cast<size_t>(count * cols) * sizeof(uint16_t)));
  }
  return absl::OkStatus();
}

absl::Status WriteTensors(const SyntheticModelOptions& options, const std::vector<SafetensorsEntry>& entries) {
  SUB1QUANT_ASSIGN_OR_RETURN(const auto file, AtomicFile::Create(absl::StrCat(options.out, "/model.safetensors")));
  SUB1QUANT_RETURN_IF_ERROR(file->Append(MakeSafetensorsHeader(entries, {{"format", "pt"}})));
  const SyntheticWeights weights(options.seed);
  for (const SafetensorsEntry& entry : entries) {
    if (entry.shape.size() == 2) {
      SUB1QUANT_RETURN_IF_ERROR(WriteMatrix(entry, weights, options.threads, *file));
    } else {
      const std::vector<uint16_t> gains = weights.Gains(entry.key, entry.shape[0]);
      SUB1QUANT_RETURN_IF_ERROR(file->Append(gains.data(), gains.size() * sizeof(uint16_t)));
    }
  }
  return file->Commit();
}

}  // namespace

std::string SyntheticConfigJson(int64_t layers, int64_t vocabulary) {
  Json types = Json::array();
  for (int64_t i = 0; i < layers; ++i) types.push_back(IsFull(i, layers) ? "full_attention" : "sliding_attention");
  const Json text = {{"model_type", "gemma4_text"},
                     {"dtype", "bfloat16"},
                     {"vocab_size", vocabulary},
                     {"vocab_size_per_layer_input", vocabulary},
                     {"hidden_size", 1536},
                     {"intermediate_size", 6144},
                     {"num_hidden_layers", layers},
                     {"layer_types", types},
                     {"num_attention_heads", 8},
                     {"num_key_value_heads", 1},
                     {"num_global_key_value_heads", nullptr},
                     {"head_dim", 256},
                     {"global_head_dim", 512},
                     {"hidden_activation", "gelu_pytorch_tanh"},
                     {"rms_norm_eps", 1e-6},
                     {"rope_parameters",
                      {{"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 10000.0}}},
                       {"full_attention",
                        {{"rope_type", "proportional"}, {"rope_theta", 1000000.0}, {"partial_rotary_factor", 0.25}}}}},
                     {"sliding_window", 512},
                     {"final_logit_softcapping", 30.0},
                     {"hidden_size_per_layer_input", 256},
                     {"num_kv_shared_layers", SharedLayers(layers)},
                     {"use_double_wide_mlp", true},
                     {"attention_k_eq_v", false},
                     {"enable_moe_block", false},
                     {"attention_bias", false},
                     {"attention_dropout", 0.0},
                     {"use_bidirectional_attention", nullptr},
                     {"tie_word_embeddings", true},
                     {"max_position_embeddings", 131072},
                     {"pad_token_id", 0},
                     {"eos_token_id", 1},
                     {"bos_token_id", 2}};
  return DumpJson({{"architectures", {"Gemma4ForConditionalGeneration"}},
                   {"model_type", "gemma4"},
                   {"dtype", "bfloat16"},
                   {"tie_word_embeddings", true},
                   {"text_config", text},
                   {"vision_config", nullptr},
                   {"audio_config", nullptr}});
}

std::vector<SafetensorsEntry> SyntheticTensors(const Gemma4Config& config) {
  const Gemma4Tensors tensors = Gemma4TensorShapes(config, /*text_only=*/false);
  std::vector<SafetensorsEntry> entries;
  for (const auto* part : {&tensors.used, &tensors.unused_kv_shared})
    for (const Gemma4Tensor& tensor : *part) entries.push_back({tensor.key, DType::kBF16, tensor.shape});
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return entries;
}

absl::Status WriteSyntheticModel(const SyntheticModelOptions& options) {
  SUB1QUANT_CHECK(options.threads >= 1);
  const std::string config_json = SyntheticConfigJson(options.layers, options.vocabulary);
  SUB1QUANT_ASSIGN_OR_RETURN(const Gemma4Config config, ParseGemma4Config(config_json));
  SUB1QUANT_RETURN_IF_ERROR(MakeDirectories(options.out));
  for (const std::string name : {"tokenizer.json", "tokenizer_config.json"}) {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(absl::StrCat(options.tokenizer_directory, "/", name)));
    SUB1QUANT_RETURN_IF_ERROR(WriteFileAtomically(absl::StrCat(options.out, "/", name), bytes));
  }
  SUB1QUANT_RETURN_IF_ERROR(WriteTensors(options, SyntheticTensors(config)));
  return WriteFileAtomically(absl::StrCat(options.out, "/config.json"), config_json);
}

}  // namespace sub1quant
