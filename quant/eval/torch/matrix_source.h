// One matrix of the forward pass: where its values come from, and how they get into the type of the products. Private
// to this folder.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/eval/torch/scorer.h"
#include "quant/model/model_source.h"
#include "quant/model/tensor.h"

namespace sub1quant {

// Types and places that all matrices of a model share.
struct MatrixTypes {
  at::Device device = at::kCPU;
  at::ScalarType compute = at::kFloat;  // weights are rounded to it
  at::ScalarType product = at::kFloat;  // what the matrix product takes: `compute`, or wider

  at::TensorOptions product_options() const { return at::TensorOptions().dtype(product).device(device); }
};

class MatrixSource {
 public:
  // `model` and what `overlay` points to must outlive the object unless it is kept.
  MatrixSource(ModelSource& model, TensorRecord record, const WeightOverlay& overlay, const ManifestTensor* replacement,
               const MatrixTypes& types)
      : model_(&model), record_(std::move(record)), overlay_(overlay), replacement_(replacement), types_(types) {}

  const TensorRecord& record() const { return record_; }
  int64_t rows() const { return record_.rows(); }
  int64_t cols() const { return record_.cols(); }

  // Reads (and decodes) the values into memory. On the CPU in the narrowest type that holds them exactly, elsewhere in
  // the type of the products.
  absl::Status Keep();
  uint64_t KeptBytes() const;
  // Kept in the type of the products: rows are views and cost nothing.
  bool ready() const { return kept_.defined() && kept_.scalar_type() == types_.product; }
  at::Tensor View(int64_t first, int64_t count) const { return kept_.narrow(0, first, count); }
  // Fills `target`, [rows, cols] of the type of the products, with rows from `first` on.
  absl::Status Fetch(int64_t first, const at::Tensor& target) const;
  // Fetch may be called for a part of the rows without doing the work for all of them.
  bool divisible() const { return kept_.defined() || replacement_ == nullptr; }
  // Rows `ids` of a kept matrix, rounded to the compute type.
  at::Tensor Gather(const std::vector<int64_t>& ids) const;

 private:
  at::ScalarType KeptType() const;

  ModelSource* model_;
  TensorRecord record_;
  WeightOverlay overlay_;
  const ManifestTensor* replacement_;  // nullptr: the model's own values
  MatrixTypes types_;
  at::Tensor kept_;  // undefined: read anew each time
};

}  // namespace sub1quant
