// Finds every tensor of the forward pass before the first weight is read, then reads.
#include <c10/core/InferenceMode.h>

#include <functional>
#include <string>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "core/parallel.h"
#include "core/status.h"
#include "quant/eval/torch/guard.h"
#include "quant/eval/torch/operations.h"
#include "quant/eval/torch/overlay.h"
#include "quant/eval/torch/tensor_reader.h"
#include "quant/eval/torch/weights.h"
#include "quant/model/quantizable.h"
#include "quant/model/safetensors.h"

namespace sub1quant {
namespace {

// What scoring needs beside the matrices: LibTorch, the buffer of one layer, hidden states, activations.
constexpr uint64_t kWorkingBytes = uint64_t{3} << 29;

// A tensor that CheckGemma4Tensors has seen.
absl::StatusOr<const TensorRecord*> FindTensor(const TensorMap& tensors, const std::string& key) {
  const auto found = tensors.find(key);
  SUB1QUANT_CHECK(found != tensors.end());
  SUB1QUANT_RETURN_IF_ERROR(WeightScalarType(*found->second).status());
  return found->second;
}

}  // namespace

class Gemma4WeightsLoader {
 public:
  Gemma4WeightsLoader(ModelSource& model, const Gemma4Config& config, const WeightOverlay& overlay,
                      const MatrixTypes& types)
      : model_(model), config_(config), overlay_(overlay) {
    weights_->types_ = types;
    weights_->per_layer_width_ = config.hidden_size_per_layer_input;
    weights_->norms_.resize(static_cast<size_t>(config.num_hidden_layers));
    weights_->layers_.resize(static_cast<size_t>(config.num_hidden_layers));
  }

  absl::StatusOr<std::unique_ptr<Gemma4Weights>> Load(uint64_t memory_bytes, int threads) {
    SUB1QUANT_ASSIGN_OR_RETURN(const TensorInventory inventory, ReadInventory(model_));
    TensorMap tensors;
    for (const TensorRecord& record : inventory.tensors) tensors.emplace(record.key, &record);
    const Gemma4Tensors names = Gemma4TensorShapes(config_, SelectQuantizable(inventory).text_only);
    SUB1QUANT_RETURN_IF_ERROR(CheckGemma4Tensors(names, inventory));
    ListTensors(names.prefix);
    SUB1QUANT_RETURN_IF_ERROR(FindMatrices(tensors, names));
    SUB1QUANT_RETURN_IF_ERROR(ReadSmall(tensors));
    SUB1QUANT_RETURN_IF_ERROR(KeepMatrices(memory_bytes, threads));
    return std::move(weights_);
  }

 private:
  struct Small {
    std::string key;
    std::function<void(const at::Tensor&)> put;
    bool optional = false;
  };
  struct Matrix {
    std::string key;
    std::vector<std::pair<int64_t, at::Tensor LayerMatrices::*>> uses;  // layer; equal shares of the rows
  };

  void AddNorm(const std::string& key, at::Tensor& target) {
    const at::Device device = weights_->types_.device;
    small_.push_back(
        {key + ".weight", [&target, device](const at::Tensor& value) { target = value.to(device, at::kFloat); }});
  }

  void ListTensors(const std::string& prefix) {
    matrices_.push_back({prefix + "embed_tokens.weight", {}});
    AddNorm(prefix + "norm", weights_->final_norm_);
    if (config_.hidden_size_per_layer_input > 0) {
      Matrix projection = {prefix + "per_layer_model_projection.weight", {}};
      for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
        projection.uses.emplace_back(layer, &LayerMatrices::per_layer_model_projection);
      }
      matrices_.push_back(std::move(projection));
      AddNorm(prefix + "per_layer_projection_norm", weights_->per_layer_projection_norm_);
      per_layer_key_ = prefix + "embed_tokens_per_layer.weight";
    }
    for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
      ListLayer(layer, absl::StrCat(prefix, "layers.", layer, "."));
    }
  }

  void ListLayer(int64_t layer, const std::string& prefix) {
    LayerNorms& norms = weights_->norms_[layer];
    const auto matrix = [&](const std::string& name, at::Tensor LayerMatrices::*target) {
      matrices_.push_back({absl::StrCat(prefix, name, ".weight"), {{layer, target}}});
    };
    AddNorm(prefix + "input_layernorm", norms.input);
    AddNorm(prefix + "post_attention_layernorm", norms.post_attention);
    AddNorm(prefix + "pre_feedforward_layernorm", norms.pre_feedforward);
    AddNorm(prefix + "post_feedforward_layernorm", norms.post_feedforward);
    AddNorm(prefix + "self_attn.q_norm", norms.q);
    matrix("self_attn.q_proj", &LayerMatrices::q_proj);
    matrix("self_attn.o_proj", &LayerMatrices::o_proj);
    matrix("mlp.gate_proj", &LayerMatrices::gate_proj);
    matrix("mlp.up_proj", &LayerMatrices::up_proj);
    matrix("mlp.down_proj", &LayerMatrices::down_proj);
    const at::ScalarType compute = weights_->types_.compute;
    small_.push_back({prefix + "layer_scalar",
                      [&norms, compute](const at::Tensor& value) {
                        norms.layer_scalar = RoundedTo(value.item().toDouble(), compute);
                      },
                      /*optional=*/true});
    if (!config_.kv_shared(layer)) {
      AddNorm(prefix + "self_attn.k_norm", norms.k);
      matrix("self_attn.k_proj", &LayerMatrices::k_proj);
      matrix("self_attn.v_proj", &LayerMatrices::v_proj);
    }
    if (config_.hidden_size_per_layer_input > 0) {
      AddNorm(prefix + "post_per_layer_input_norm", norms.post_per_layer_input);
      matrix("per_layer_input_gate", &LayerMatrices::per_layer_input_gate);
      matrix("per_layer_projection", &LayerMatrices::per_layer_projection);
    }
  }

  absl::Status FindMatrices(const TensorMap& tensors, const Gemma4Tensors& names) {
    std::vector<const TensorRecord*> records;
    std::unordered_set<std::string> replaceable;
    for (const Matrix& matrix : matrices_) {
      SUB1QUANT_ASSIGN_OR_RETURN(const TensorRecord* record, FindTensor(tensors, matrix.key));
      records.push_back(record);
      if (!matrix.uses.empty()) replaceable.insert(matrix.key);  // never the embedding table: it is not quantized
    }
    OverlayPlan plan;
    if (overlay_.manifest != nullptr) {
      std::unordered_set<std::string> unused;
      for (const Gemma4Tensor& tensor : names.unused_kv_shared) unused.insert(tensor.key);
      SUB1QUANT_ASSIGN_OR_RETURN(plan, PlanOverlay(*overlay_.manifest, tensors, replaceable, unused));
    }
    weights_->apply_stats_ = plan.stats;
    for (size_t i = 0; i < matrices_.size(); ++i) {
      const auto found = plan.replacements.find(matrices_[i].key);
      weights_->matrices_.push_back(std::make_unique<MatrixSource>(
          model_, *records[i], overlay_, found == plan.replacements.end() ? nullptr : found->second, weights_->types_));
      const MatrixSource* source = weights_->matrices_.back().get();
      if (matrices_[i].uses.empty()) weights_->head_ = source;
      const auto shares = static_cast<int64_t>(matrices_[i].uses.size());
      for (int64_t share = 0; share < shares; ++share) {
        const auto& [layer, target] = matrices_[i].uses[share];
        const int64_t rows = source->rows() / shares;
        weights_->layers_[layer].push_back({source, share * rows, rows, target});
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadSmall(const TensorMap& tensors) {
    for (const Small& small : small_) {
      if (small.optional && tensors.count(small.key) == 0) continue;
      SUB1QUANT_ASSIGN_OR_RETURN(const TensorRecord* record, FindTensor(tensors, small.key));
      SUB1QUANT_ASSIGN_OR_RETURN(const at::Tensor value, ReadTensor(model_, *record));
      small.put(value);
    }
    if (per_layer_key_.empty()) return absl::OkStatus();
    SUB1QUANT_ASSIGN_OR_RETURN(const TensorRecord* record, FindTensor(tensors, per_layer_key_));
    SUB1QUANT_ASSIGN_OR_RETURN(weights_->per_layer_rows_, FileRows::Open(model_, *record));
    return absl::OkStatus();
  }

  absl::Status KeepMatrices(uint64_t memory_bytes, int threads) {
    uint64_t bytes = kWorkingBytes;
    for (const auto& matrix : weights_->matrices_) bytes += matrix->KeptBytes();
    weights_->in_memory_ = memory_bytes == 0 || bytes <= memory_bytes;
    std::vector<MatrixSource*> kept;
    for (size_t i = 0; i < matrices_.size(); ++i) {
      // A matrix of which every layer uses a share is small, and would be decoded once a layer.
      if (weights_->in_memory_ || matrices_[i].uses.size() > 1) kept.push_back(weights_->matrices_[i].get());
    }
    if (!weights_->in_memory_) {
      SUB1QUANT_ASSIGN_OR_RETURN(weights_->embedding_rows_, FileRows::Open(model_, weights_->head_->record()));
    }
    // To a device in the current stream, of all these threads and of those that compute later the default one: nothing
    // computes yet, so copies have nothing to go beside, and no order to be told.
    return ParallelFor(threads, static_cast<int64_t>(kept.size()), [&](int64_t i) {
      return GuardTorch([&] {
        const c10::InferenceMode inference;
        return kept[i]->Keep();
      });
    });
  }

  ModelSource& model_;
  const Gemma4Config& config_;
  const WeightOverlay& overlay_;
  std::unique_ptr<Gemma4Weights> weights_{new Gemma4Weights};
  std::vector<Small> small_;
  std::vector<Matrix> matrices_;
  std::string per_layer_key_;  // "": no per-layer inputs
};

absl::StatusOr<std::unique_ptr<Gemma4Weights>> Gemma4Weights::Load(ModelSource& model, const Gemma4Config& config,
                                                                   const WeightOverlay& overlay,
                                                                   const MatrixTypes& types, uint64_t memory_bytes,
                                                                   int threads) {
  return Gemma4WeightsLoader(model, config, overlay, types).Load(memory_bytes, threads);
}

}  // namespace sub1quant
