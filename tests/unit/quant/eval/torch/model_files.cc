#include "tests/unit/quant/eval/torch/model_files.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/file.h"
#include "quant/model/model_source.h"
#include "quant/model/safetensors.h"

namespace sub1quant {
namespace {

template <typename T>
T Must(absl::StatusOr<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    std::abort();
  }
  return *std::move(result);
}

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

TestTensor HashTensor(const std::string& key, std::vector<int64_t> shape) {
  uint32_t seed = 2166136261;  // FNV-1a
  for (const char c : key) seed = (seed ^ static_cast<uint8_t>(c)) * 16777619;
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t x = seed + static_cast<uint32_t>(i) * 2654435761u;
    x ^= x >> 16;
    x *= 2246822519u;
    x ^= x >> 13;
    x *= 3266489917u;
    x ^= x >> 16;
    const auto u = static_cast<float>(x >> 24);
    const bool scalar = absl::EndsWith(key, "layer_scalar"), norm = absl::StrContains(key, "norm");
    values.push_back(scalar ? 0.5f + std::floor(u / 8) / 64
                     : norm ? 1 + (std::floor(u / 8) - 16) / 64
                            : (u - 128) / 512);
  }
  return {DType::kBF16, std::move(shape), ToBf16Bytes(values)};
}

constexpr char kGoldenConfig[] = R"({"model_type": "gemma4", "architectures": ["Gemma4ForConditionalGeneration"],
  "tie_word_embeddings": true, "text_config": {"model_type": "gemma4_text", "vocab_size": 64,
  "vocab_size_per_layer_input": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 7,
  "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "global_head_dim": 16,
  "hidden_size_per_layer_input": 8, "sliding_window": 4, "num_kv_shared_layers": 3, "use_double_wide_mlp": true,
  "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention", "full_attention",
  "sliding_attention", "full_attention"], "rms_norm_eps": 1e-6, "final_logit_softcapping": 30.0,
  "tie_word_embeddings": true, "max_position_embeddings": 64, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2,
  "rope_parameters": {"sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
  "full_attention": {"rope_type": "proportional", "rope_theta": 1000000.0, "partial_rotary_factor": 0.25}}}})";

template <typename T>
std::vector<T> GoldenValues(const std::string& key) {
  static const TestModel golden = [] {
    TemporaryDirectory directory;
    std::filesystem::copy(SUB1QUANT_TESTDATA "/gemma4-tiny-golden/activations.safetensors", directory.path());
    std::filesystem::copy(SUB1QUANT_TESTDATA "/gemma4-tiny/config.json", directory.path());
    return ReadTestModel(directory.path());
  }();
  const std::string& bytes = golden.tensors.at(key).bytes;
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = testing::TempDir() + "sub1quant-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

TestModel ReadTestModel(const std::string& directory) {
  const auto source = Must(OpenModelDirectory(directory));
  TestModel model;
  model.config_json = Must(ReadModelFile(*source, "config.json", 1 << 20));
  for (const TensorRecord& record : Must(ReadInventory(*source)).tensors) {
    TestTensor tensor = {record.dtype, record.shape, std::string(record.bytes, '\0')};
    Must(source->Read(record.file, record.offset, tensor.bytes.data(), tensor.bytes.size()));
    model.tensors[record.key] = std::move(tensor);
  }
  return model;
}

void WriteTestModel(const TestModel& model, const std::string& directory) {
  std::vector<SafetensorsEntry> entries;
  std::string data;
  for (const auto& [key, tensor] : model.tensors) {
    entries.push_back({key, tensor.dtype, tensor.shape});
    data += tensor.bytes;
  }
  Must(WriteFileAtomically(directory + "/model.safetensors", MakeSafetensorsHeader(entries, {}) + data));
  Must(WriteFileAtomically(directory + "/config.json", model.config_json));
}

std::string ToBf16Bytes(const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) {
    const auto bits = std::bit_cast<uint32_t>(value);
    EXPECT_EQ(bits & 0xffff, 0u);
    bytes.push_back(static_cast<char>(bits >> 16));
    bytes.push_back(static_cast<char>(bits >> 24));
  }
  return bytes;
}

TestModel GoldenModel() {
  TestModel model;
  model.config_json = kGoldenConfig;
  const std::string prefix = "model.language_model.";
  auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    model.tensors[prefix + name] = HashTensor(prefix + name, std::move(shape));
  };
  add("embed_tokens.weight", {64, 32});
  add("embed_tokens_per_layer.weight", {64, 56});
  add("per_layer_model_projection.weight", {56, 32});
  add("per_layer_projection_norm.weight", {8});
  add("norm.weight", {32});
  for (int layer = 0; layer < 7; ++layer) {
    const std::string at = absl::StrCat("layers.", layer, ".");
    const int64_t dim = layer == 2 || layer == 4 || layer == 6 ? 16 : 8, width = layer >= 4 ? 96 : 48;
    for (const std::string name : {"input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                                   "post_feedforward_layernorm", "post_per_layer_input_norm"}) {
      add(at + name + ".weight", {32});
    }
    add(at + "layer_scalar", {1});
    add(at + "self_attn.q_norm.weight", {dim});
    add(at + "self_attn.k_norm.weight", {dim});
    add(at + "self_attn.q_proj.weight", {4 * dim, 32});
    add(at + "self_attn.k_proj.weight", {2 * dim, 32});
    add(at + "self_attn.v_proj.weight", {2 * dim, 32});
    add(at + "self_attn.o_proj.weight", {32, 4 * dim});
    add(at + "mlp.gate_proj.weight", {width, 32});
    add(at + "mlp.up_proj.weight", {width, 32});
    add(at + "mlp.down_proj.weight", {32, width});
    add(at + "per_layer_input_gate.weight", {8, 32});
    add(at + "per_layer_projection.weight", {32, 8});
  }
  return model;
}

std::unique_ptr<Scorer> LoadScorer(const std::string& directory, const ScorerOptions& options) {
  InitializeTorch();
  const auto source = Must(OpenModelDirectory(directory));
  return Must(Scorer::Load(*source, {}, options));
}

std::unique_ptr<Scorer> LoadScorer(const TestModel& model, const ScorerOptions& options) {
  TemporaryDirectory directory;  // the scorer keeps the file open
  WriteTestModel(model, directory.path());
  return LoadScorer(directory.path(), options);
}

absl::Status LoadStatus(const TestModel& model, const ScorerOptions& options) {
  InitializeTorch();
  TemporaryDirectory directory;
  WriteTestModel(model, directory.path());
  const auto source = Must(OpenModelDirectory(directory.path()));
  return Scorer::Load(*source, {}, options).status();
}

std::vector<float> TraceRow(const Scorer::Trace& trace, const std::string& name) {
  for (const auto& [key, values] : trace.rows) {
    if (key == name) return values;
  }
  ADD_FAILURE() << "no value '" << name << "' in the trace";
  return {};
}

std::string TinyModelDirectory() { return SUB1QUANT_TESTDATA "/gemma4-tiny"; }

std::vector<int32_t> TinyTokens() {
  std::vector<int32_t> tokens = GoldenInts("window0.ids");
  const std::vector<int32_t> more = GoldenInts("window1.ids");
  tokens.insert(tokens.end(), more.begin(), more.end());
  return tokens;
}

std::vector<float> GoldenFloats(const std::string& key) { return GoldenValues<float>(key); }
std::vector<int32_t> GoldenInts(const std::string& key) { return GoldenValues<int32_t>(key); }

}  // namespace sub1quant
