// The matrix products of scoring alone: what is left of it without everything between them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "quant/model/gemma4_config.h"

namespace sub1quant {

class ProductsAlone {
 public:
  // Random matrices and inputs of `rows` rows; the LM head in tiles of `tile` entries of the vocabulary.
  ProductsAlone(const Gemma4Config& config, int64_t rows, int64_t tile, const at::TensorOptions& options);
  // Every product with a weight that `rows` rows take on their way through the model, once.
  void Run() const;

 private:
  using Shape = std::pair<int64_t, int64_t>;  // [out, in]
  static std::vector<Shape> Shapes(const Gemma4Config& config, int64_t tile);

  std::vector<Shape> products_;
  std::map<Shape, at::Tensor> weights_;
  std::map<int64_t, at::Tensor> inputs_;
};

std::vector<int32_t> RandomTokens(int64_t count, int64_t vocabulary);

}  // namespace sub1quant
