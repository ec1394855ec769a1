#include "quant/eval/torch/forward.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/eval/torch/linear.h"
#include "quant/eval/torch/rope.h"

namespace sub1quant {
namespace {

void Observe(const Observer& observer, int64_t layer, const char* name, const at::Tensor& value) {
  if (observer) observer(absl::StrCat("layer.", layer, name), value);
}

}  // namespace

Decoder::Decoder(const Gemma4Config& config, const Gemma4Weights& weights, const Operations& operations, int64_t length)
    : config_(config), weights_(weights), operations_(operations) {
  for (const bool full : {false, true}) {
    rope_[full] = MakeRopeTable(RopeFrequencies(config, full), length, weights.compute_options());
  }
}

absl::Status Decoder::Embed(Sequence& sequence, const Observer& observer) const {
  const double scale = RoundedTo(std::sqrt(static_cast<double>(config_.hidden_size)), weights_.types().compute);
  SUB1QUANT_ASSIGN_OR_RETURN(const at::Tensor rows, weights_.Embeddings(sequence.ids));
  sequence.x = operations_.Scaled(rows, scale);
  if (weights_.has_per_layer_inputs()) sequence.embedded = sequence.x.clone();
  if (observer) observer("embedding", sequence.x);
  return absl::OkStatus();
}

absl::Status Decoder::Layer(int64_t layer, const LayerMatrices& matrices, Sequence& sequence,
                            const Observer& observer) const {
  const LayerNorms& norms = weights_.norms(layer);
  const double eps = config_.rms_norm_eps;
  const bool per_layer = weights_.has_per_layer_inputs();
  at::Tensor x = std::move(sequence.x);
  const at::Tensor attention = Attention(layer, matrices, Norm(x, norms.input), sequence, observer);
  x = operations_.AddRmsNorm(x, attention, norms.post_attention, eps, 1);
  const at::Tensor mlp = Mlp(matrices, Norm(x, norms.pre_feedforward));
  x = operations_.AddRmsNorm(x, mlp, norms.post_feedforward, eps, per_layer ? 1 : norms.layer_scalar);
  if (per_layer) {
    SUB1QUANT_ASSIGN_OR_RETURN(const at::Tensor input, PerLayerInput(layer, matrices, sequence));
    Observe(observer, layer, ".per_layer_input", input);
    const at::Tensor gate = operations_.GatedGelu(Linear(x, matrices.per_layer_input_gate), input);
    x = operations_.AddRmsNorm(x, Linear(gate, matrices.per_layer_projection), norms.post_per_layer_input, eps,
                               norms.layer_scalar);
  }
  Observe(observer, layer, "", x);
  sequence.x = std::move(x);
  return absl::OkStatus();
}

at::Tensor Decoder::FinalNorm(const Sequence& sequence, const Observer& observer) const {
  at::Tensor normed = Norm(sequence.x, weights_.final_norm());
  if (observer) observer("final_norm", normed);
  return normed;
}

at::Tensor Decoder::Norm(const at::Tensor& x, const at::Tensor& weight) const {
  return operations_.RmsNorm(x, weight, config_.rms_norm_eps);
}

RopeTable Decoder::Rope(bool full, const Sequence& sequence) const {
  const int64_t length = static_cast<int64_t>(sequence.ids.size()) / sequence.windows;
  return {rope_[full].cos.narrow(0, 0, length), rope_[full].sin.narrow(0, 0, length)};
}

at::Tensor Decoder::Heads(const at::Tensor& rows, int64_t heads, int64_t dim, const Sequence& sequence) {
  if (sequence.windows == 1) return rows.view({rows.size(0), heads, dim});
  return rows.view({sequence.windows, rows.size(0) / sequence.windows, heads, dim});
}

at::Tensor Decoder::Attention(int64_t layer, const LayerMatrices& matrices, const at::Tensor& h, Sequence& sequence,
                              const Observer& observer) const {
  const bool full = config_.full_attention[layer];
  const int64_t length = h.size(0) / sequence.windows, heads = config_.num_attention_heads;
  at::Tensor q =
      Norm(Heads(Linear(h, matrices.q_proj), heads, config_.layer_head_dim(layer), sequence), weights_.norms(layer).q);
  q = operations_.Rope(q, Rope(full, sequence));
  Observe(observer, layer, ".q", q);
  Sequence::KeysValues& shared = sequence.keys_values[full];
  // A layer that shares takes what the last non-shared layer of its type has left here.
  if (!config_.kv_shared(layer)) {
    shared = MakeKeysValues(layer, matrices, h, sequence);
    Observe(observer, layer, ".k", shared.keys);
    Observe(observer, layer, ".v", shared.values);
  }
  const int64_t window = full ? length : config_.sliding_window;
  const at::Tensor context = operations_.Attention(q, shared.keys, shared.values, window);
  at::Tensor out = Linear(context, matrices.o_proj);
  Observe(observer, layer, ".attention", out);
  return out;
}

Sequence::KeysValues Decoder::MakeKeysValues(int64_t layer, const LayerMatrices& matrices, const at::Tensor& h,
                                             const Sequence& sequence) const {
  const int64_t heads = config_.num_key_value_heads, dim = config_.layer_head_dim(layer);
  const at::Tensor keys = Norm(Heads(Linear(h, matrices.k_proj), heads, dim, sequence), weights_.norms(layer).k);
  const at::Tensor values = Norm(Heads(Linear(h, matrices.v_proj), heads, dim, sequence), at::Tensor());
  return {operations_.Rope(keys, Rope(config_.full_attention[layer], sequence)), values};
}

at::Tensor Decoder::Mlp(const LayerMatrices& matrices, const at::Tensor& h) const {
  const at::Tensor gate = Linear(h, matrices.gate_proj);
  return Linear(operations_.GatedGelu(gate, Linear(h, matrices.up_proj)), matrices.down_proj);
}

absl::StatusOr<at::Tensor> Decoder::PerLayerInput(int64_t layer, const LayerMatrices& matrices,
                                                  const Sequence& sequence) const {
  const double context_scale = 1 / std::sqrt(static_cast<double>(config_.hidden_size));
  const double token_scale =
      RoundedTo(std::sqrt(static_cast<double>(config_.hidden_size_per_layer_input)), weights_.types().compute);
  at::Tensor tokens;
  if (sequence.per_layer.defined()) {
    tokens = weights_.PerLayerTokens(layer, sequence.per_layer);
  } else {
    SUB1QUANT_ASSIGN_OR_RETURN(tokens, weights_.PerLayerTokens(layer, sequence.ids));
  }
  return operations_.PerLayerInput(Linear(sequence.embedded, matrices.per_layer_model_projection), tokens,
                                   weights_.per_layer_projection_norm(), config_.rms_norm_eps, context_scale,
                                   token_scale);
}

}  // namespace sub1quant
