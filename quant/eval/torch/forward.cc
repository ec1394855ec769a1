#include "quant/eval/torch/forward.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/eval/torch/linear.h"
#include "quant/eval/torch/primitives.h"
#include "quant/eval/torch/rope.h"

namespace sub1quant {
namespace {

// One pass over one sequence. Index [0] of a pair: sliding layers, [1]: full layers.
class Pass {
 public:
  Pass(const Gemma4Config& config, const Gemma4Weights& weights, const Observer& observer, int64_t length)
      : config_(config), weights_(weights), observer_(observer), length_(length) {
    for (const bool full : {false, true}) {
      rope_[full] = MakeRopeTable(RopeFrequencies(config, full), length, weights.options);
    }
    if (length > config.sliding_window) {
      sliding_mask_ =
          at::ones({length, length}, weights.options.dtype(at::kBool)).tril().triu(1 - config.sliding_window);
    }
  }

  at::Tensor Embed(const at::Tensor& ids) {
    const double scale = RoundedTo(std::sqrt(static_cast<double>(config_.hidden_size)), weights_.dtype());
    return Observe("embedding", Scaled(weights_.embed_tokens.index_select(0, ids), scale));
  }

  // embedded: x⁰; rows: gathered rows of embed_tokens_per_layer, [T, L·P]. Result [T, L, P].
  at::Tensor PerLayerInputs(const at::Tensor& embedded, const at::Tensor& rows) {
    const int64_t layers = config_.num_hidden_layers, width = config_.hidden_size_per_layer_input;
    const double scale = RoundedTo(std::sqrt(static_cast<double>(width)), weights_.dtype());
    const at::Tensor tokens = Scaled(rows, scale).view({length_, layers, width});
    at::Tensor context = Linear(embedded, weights_.per_layer_model_projection);
    context = Scaled(context, 1 / std::sqrt(static_cast<double>(config_.hidden_size))).view({length_, layers, width});
    context = Norm(context, weights_.per_layer_projection_norm);
    return Observe("per_layer_inputs", Scaled(context.add_(tokens), std::sqrt(0.5)));
  }

  // x: [T, hidden]; per_layer: [T, P], undefined without per-layer inputs.
  at::Tensor Layer(int64_t layer, at::Tensor x, const at::Tensor& per_layer) {
    const LayerWeights& w = weights_.layers[layer];
    x = x.add(Norm(Attention(layer, Norm(x, w.input_norm)), w.post_attention_norm));
    x = x.add(Norm(Mlp(w, Norm(x, w.pre_feedforward_norm)), w.post_feedforward_norm));
    if (per_layer.defined()) {
      at::Tensor gate = Linear(x, w.per_layer_input_gate);
      at::gelu_(gate, "tanh").mul_(per_layer);
      x = x.add(Norm(Linear(gate, w.per_layer_projection), w.post_per_layer_input_norm));
    }
    return Observe(absl::StrCat("layer.", layer), x.mul_(w.layer_scalar));
  }

  at::Tensor FinalNorm(const at::Tensor& x) { return Observe("final_norm", Norm(x, weights_.norm)); }

 private:
  struct KeysValues {
    at::Tensor keys, values;  // [T, nkv, d], after norm and RoPE
  };

  const at::Tensor& Observe(const std::string& name, const at::Tensor& value) {
    if (observer_) observer_(name, value);
    return value;
  }

  at::Tensor Norm(const at::Tensor& x, const at::Tensor& weight) { return RmsNorm(x, weight, config_.rms_norm_eps); }

  at::Tensor Mlp(const LayerWeights& w, const at::Tensor& h) {
    at::Tensor gate = Linear(h, w.gate_proj);
    at::gelu_(gate, "tanh").mul_(Linear(h, w.up_proj));
    return Linear(gate, w.down_proj);
  }

  KeysValues MakeKeysValues(int64_t layer, const at::Tensor& h) {
    const LayerWeights& w = weights_.layers[layer];
    const int64_t heads = config_.num_key_value_heads, dim = config_.layer_head_dim(layer);
    const at::Tensor keys = Norm(Linear(h, w.k_proj).view({length_, heads, dim}), w.k_norm);
    const at::Tensor values = Linear(h, w.v_proj).view({length_, heads, dim});
    return {Observe(absl::StrCat("layer.", layer, ".k"), ApplyRope(keys, rope_[config_.full_attention[layer]])),
            Observe(absl::StrCat("layer.", layer, ".v"), Norm(values, at::Tensor()))};
  }

  // [T, nkv, d] → [1, nq, T, d]: query head a reads KV head a / (nq/nkv).
  at::Tensor HeadsFirst(const at::Tensor& x) {
    const int64_t repeat = config_.num_attention_heads / x.size(1);
    return x.unsqueeze(2).expand({-1, -1, repeat, -1}).flatten(1, 2).transpose(0, 1).unsqueeze(0);
  }

  at::Tensor Attention(int64_t layer, const at::Tensor& h) {
    const LayerWeights& w = weights_.layers[layer];
    const bool full = config_.full_attention[layer];
    const int64_t heads = config_.num_attention_heads, dim = config_.layer_head_dim(layer);
    at::Tensor q = ApplyRope(Norm(Linear(h, w.q_proj).view({length_, heads, dim}), w.q_norm), rope_[full]);
    Observe(absl::StrCat("layer.", layer, ".q"), q);
    // A layer that shares takes what the last non-shared layer of its type has left here.
    if (!config_.kv_shared(layer)) keys_values_[full] = MakeKeysValues(layer, h);
    std::optional<at::Tensor> mask;
    if (!full && sliding_mask_.defined()) mask = sliding_mask_;
    const at::Tensor context =
        at::scaled_dot_product_attention(HeadsFirst(q), HeadsFirst(keys_values_[full].keys),
                                         HeadsFirst(keys_values_[full].values), mask, /*dropout_p=*/0.0,
                                         /*is_causal=*/!mask.has_value(), /*scale=*/1.0);
    const at::Tensor joined = context.squeeze(0).transpose(0, 1).reshape({length_, heads * dim});
    return Observe(absl::StrCat("layer.", layer, ".attention"), Linear(joined, w.o_proj));
  }

  const Gemma4Config& config_;
  const Gemma4Weights& weights_;
  const Observer& observer_;
  const int64_t length_;
  RopeTable rope_[2];
  at::Tensor sliding_mask_;  // [T, T], true where visible; undefined while it would equal the causal mask
  KeysValues keys_values_[2];
};

}  // namespace

absl::StatusOr<at::Tensor> Forward(const Gemma4Config& config, const Gemma4Weights& weights,
                                   const std::vector<int64_t>& ids, const Observer& observer) {
  Pass pass(config, weights, observer, static_cast<int64_t>(ids.size()));
  at::Tensor x = pass.Embed(at::tensor(ids).to(weights.options.device()));
  at::Tensor per_layer;
  if (weights.per_layer_rows != nullptr) {
    SUB1QUANT_ASSIGN_OR_RETURN(const at::Tensor rows, weights.per_layer_rows->Gather(ids, weights.options));
    per_layer = pass.PerLayerInputs(x, rows);
  }
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    x = pass.Layer(layer, x, per_layer.defined() ? per_layer.select(1, layer) : per_layer);
  }
  return pass.FinalNorm(x);
}

}  // namespace sub1quant
