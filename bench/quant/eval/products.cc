#include "bench/quant/eval/products.h"

#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>

#include <random>

#include "quant/eval/torch/linear.h"

namespace sub1quant {

std::vector<ProductsAlone::Shape> ProductsAlone::Shapes(const Gemma4Config& config, int64_t tile) {
  const int64_t hidden = config.hidden_size, per_layer = config.hidden_size_per_layer_input;
  std::vector<Shape> products;
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const int64_t dim = config.layer_head_dim(layer), width = config.mlp_width(layer);
    const int64_t q = config.num_attention_heads * dim, kv = config.num_key_value_heads * dim;
    products.insert(products.end(), {{q, hidden}, {hidden, q}, {width, hidden}, {width, hidden}, {hidden, width}});
    if (!config.kv_shared(layer)) products.insert(products.end(), {{kv, hidden}, {kv, hidden}});
    if (per_layer > 0) {
      products.insert(products.end(), {{per_layer, hidden}, {per_layer, hidden}, {hidden, per_layer}});
    }
  }
  for (int64_t first = 0; first < config.vocab_size; first += tile) {
    products.emplace_back(std::min(tile, config.vocab_size - first), hidden);
  }
  return products;
}

ProductsAlone::ProductsAlone(const Gemma4Config& config, int64_t rows, int64_t tile, const at::TensorOptions& options)
    : products_(Shapes(config, tile)) {
  const c10::InferenceMode inference;
  for (const Shape& shape : products_) {
    at::Tensor& weight = weights_[shape];
    if (!weight.defined()) weight = at::randn({shape.first, shape.second}, options);
    at::Tensor& input = inputs_[shape.second];
    if (!input.defined()) input = at::randn({rows, shape.second}, options);
  }
}

void ProductsAlone::Run() const {
  const c10::InferenceMode inference;
  for (const Shape& shape : products_) Linear(inputs_.at(shape.second), weights_.at(shape));
}

std::vector<int32_t> RandomTokens(int64_t count, int64_t vocabulary) {
  std::mt19937_64 generator(1);
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens) token = static_cast<int32_t>(generator() % static_cast<uint64_t>(vocabulary));
  return tokens;
}

}  // namespace sub1quant
