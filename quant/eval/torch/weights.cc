#include "quant/eval/torch/weights.h"

#include <ATen/ops/ones.h>
#include <c10/core/InferenceMode.h>

#include <string>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "core/parallel.h"
#include "core/status.h"
#include "quant/eval/torch/guard.h"
#include "quant/eval/torch/overlay.h"
#include "quant/eval/torch/tensor_reader.h"
#include "quant/model/quantizable.h"
#include "quant/model/safetensors.h"

namespace sub1quant {
namespace {

enum class Kind { kMatrix, kNorm, kLayerScalar };

// One tensor that the forward pass needs, and where it goes.
struct Slot {
  std::string key;
  at::Tensor* target;
  Kind kind;
};

void AddLayerSlots(const Gemma4Config& config, int64_t layer, const std::string& prefix, LayerWeights& w,
                   std::vector<Slot>& slots) {
  auto norm = [&](const std::string& name, at::Tensor& target) {
    slots.push_back({absl::StrCat(prefix, name, ".weight"), &target, Kind::kNorm});
  };
  auto matrix = [&](const std::string& name, at::Tensor& target) {
    slots.push_back({absl::StrCat(prefix, name, ".weight"), &target, Kind::kMatrix});
  };
  norm("input_layernorm", w.input_norm);
  norm("post_attention_layernorm", w.post_attention_norm);
  norm("pre_feedforward_layernorm", w.pre_feedforward_norm);
  norm("post_feedforward_layernorm", w.post_feedforward_norm);
  norm("self_attn.q_norm", w.q_norm);
  matrix("self_attn.q_proj", w.q_proj);
  matrix("self_attn.o_proj", w.o_proj);
  matrix("mlp.gate_proj", w.gate_proj);
  matrix("mlp.up_proj", w.up_proj);
  matrix("mlp.down_proj", w.down_proj);
  slots.push_back({absl::StrCat(prefix, "layer_scalar"), &w.layer_scalar, Kind::kLayerScalar});
  if (!config.kv_shared(layer)) {
    norm("self_attn.k_norm", w.k_norm);
    matrix("self_attn.k_proj", w.k_proj);
    matrix("self_attn.v_proj", w.v_proj);
  }
  if (config.hidden_size_per_layer_input > 0) {
    norm("post_per_layer_input_norm", w.post_per_layer_input_norm);
    matrix("per_layer_input_gate", w.per_layer_input_gate);
    matrix("per_layer_projection", w.per_layer_projection);
  }
}

std::vector<Slot> MakeSlots(const Gemma4Config& config, const std::string& prefix, Gemma4Weights& w) {
  std::vector<Slot> slots;
  slots.push_back({prefix + "embed_tokens.weight", &w.embed_tokens, Kind::kMatrix});
  slots.push_back({prefix + "norm.weight", &w.norm, Kind::kNorm});
  if (config.hidden_size_per_layer_input > 0) {
    slots.push_back({prefix + "per_layer_model_projection.weight", &w.per_layer_model_projection, Kind::kMatrix});
    slots.push_back({prefix + "per_layer_projection_norm.weight", &w.per_layer_projection_norm, Kind::kNorm});
  }
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    AddLayerSlots(config, layer, absl::StrCat(prefix, "layers.", layer, "."), w.layers[layer], slots);
  }
  return slots;
}

// What LoadWeights has found out before it reads the first weight.
struct LoadPlan {
  std::vector<Slot> slots;
  std::vector<const TensorRecord*> records;  // per slot; nullptr: an absent layer_scalar
  OverlayPlan overlay;
};

absl::StatusOr<LoadPlan> PlanLoad(const Gemma4Config& config, const Gemma4Tensors& names, const TensorMap& tensors,
                                  const WeightOverlay& overlay, Gemma4Weights& weights) {
  LoadPlan plan;
  plan.slots = MakeSlots(config, names.prefix, weights);
  std::unordered_set<std::string> matrices;
  for (const Slot& slot : plan.slots) {
    if (slot.kind == Kind::kMatrix) matrices.insert(slot.key);
    const auto found = tensors.find(slot.key);
    SUB1QUANT_CHECK(found != tensors.end() || slot.kind == Kind::kLayerScalar);  // CheckGemma4Tensors
    plan.records.push_back(found == tensors.end() ? nullptr : found->second);
  }
  if (overlay.manifest != nullptr) {
    std::unordered_set<std::string> unused;
    for (const Gemma4Tensor& tensor : names.unused_kv_shared) unused.insert(tensor.key);
    SUB1QUANT_ASSIGN_OR_RETURN(plan.overlay, PlanOverlay(*overlay.manifest, tensors, matrices, unused));
  }
  return plan;
}

absl::StatusOr<at::Tensor> LoadSlot(ModelSource& model, const WeightOverlay& overlay, const LoadPlan& plan, int64_t i,
                                    const at::TensorOptions& options) {
  if (plan.records[i] == nullptr) return at::ones({1}, options);
  const auto replaced = plan.overlay.replacements.find(plan.slots[i].key);
  if (replaced != plan.overlay.replacements.end()) {
    return ReconstructMatrix(overlay, *replaced->second, *plan.records[i], options);
  }
  SUB1QUANT_ASSIGN_OR_RETURN(at::Tensor tensor, ReadTensor(model, *plan.records[i], options));
  return plan.slots[i].kind == Kind::kNorm ? tensor.to(at::kFloat) : tensor;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Gemma4Weights>> LoadWeights(ModelSource& model, const Gemma4Config& config,
                                                           const WeightOverlay& overlay,
                                                           const at::TensorOptions& options, int threads) {
  SUB1QUANT_ASSIGN_OR_RETURN(const TensorInventory inventory, ReadInventory(model));
  TensorMap tensors;
  for (const TensorRecord& record : inventory.tensors) tensors.emplace(record.key, &record);
  const Gemma4Tensors names = Gemma4TensorShapes(config, SelectQuantizable(inventory).text_only);
  SUB1QUANT_RETURN_IF_ERROR(CheckGemma4Tensors(names, inventory));

  auto weights = std::make_unique<Gemma4Weights>();
  weights->options = options;
  weights->layers.resize(static_cast<size_t>(config.num_hidden_layers));
  SUB1QUANT_ASSIGN_OR_RETURN(const LoadPlan plan, PlanLoad(config, names, tensors, overlay, *weights));
  weights->apply_stats = plan.overlay.stats;
  if (config.hidden_size_per_layer_input > 0) {
    const TensorRecord* record = tensors.at(names.prefix + "embed_tokens_per_layer.weight");
    SUB1QUANT_ASSIGN_OR_RETURN(weights->per_layer_rows, PerLayerRows::Open(model, *record));
  }
  SUB1QUANT_RETURN_IF_ERROR(ParallelFor(threads, static_cast<int64_t>(plan.slots.size()), [&](int64_t i) {
    return GuardTorch([&]() -> absl::Status {
      const c10::InferenceMode inference;
      SUB1QUANT_ASSIGN_OR_RETURN(*plan.slots[i].target, LoadSlot(model, overlay, plan, i, options));
      return absl::OkStatus();
    });
  }));
  return weights;
}

}  // namespace sub1quant
