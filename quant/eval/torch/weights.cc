#include "quant/eval/torch/weights.h"

#include <algorithm>
#include <utility>

#include "core/status.h"

namespace sub1quant {
namespace {

// Elements that one thread fetches at once: at the end of a layer the others wait for the last of them.
constexpr int64_t kFetchElements = int64_t{1} << 18;

// Rows [first, first + target rows) of `source` → target.
void AddSteps(const MatrixSource& source, int64_t first, const at::Tensor& target, FetchSteps& steps) {
  const int64_t rows = target.size(0);
  const int64_t step = source.divisible() ? std::max<int64_t>(1, kFetchElements / source.cols()) : rows;
  for (int64_t row = 0; row < rows; row += step) {
    const at::Tensor part = target.narrow(0, row, std::min(step, rows - row));
    steps.push_back([&source, first, row, part] { return source.Fetch(first + row, part); });
  }
}

}  // namespace

LayerFetch Gemma4Weights::Layer(int64_t layer, MatrixBuffer& buffer) const {
  LayerFetch fetch;
  int64_t room = 0;
  for (const Piece& piece : layers_[layer]) {
    if (!piece.source->ready()) room += MatrixBuffer::Room(piece.count, piece.source->cols());
  }
  buffer.Reset(room, types_.product_options());
  for (const Piece& piece : layers_[layer]) {
    at::Tensor& target = fetch.matrices.*piece.target;
    if (piece.source->ready()) {
      target = piece.source->View(piece.first, piece.count);
      continue;
    }
    target = buffer.Take(piece.count, piece.source->cols());
    AddSteps(*piece.source, piece.first, target, fetch.steps);
  }
  return fetch;
}

HeadFetch Gemma4Weights::Head(int64_t first, int64_t count, MatrixBuffer& buffer) const {
  HeadFetch fetch;
  if (head_->ready()) {
    fetch.rows = head_->View(first, count);
    return fetch;
  }
  buffer.Reset(MatrixBuffer::Room(count, head_->cols()), types_.product_options());
  fetch.rows = buffer.Take(count, head_->cols());
  AddSteps(*head_, first, fetch.rows, fetch.steps);
  return fetch;
}

absl::StatusOr<at::Tensor> Gemma4Weights::Embeddings(const std::vector<int64_t>& ids) const {
  if (embedding_rows_ == nullptr) return head_->Gather(ids);
  return embedding_rows_->Gather(ids, 0, head_->cols(), compute_options());
}

absl::StatusOr<at::Tensor> Gemma4Weights::PerLayerTokens(int64_t layer, const std::vector<int64_t>& ids) const {
  return per_layer_rows_->Gather(ids, layer * per_layer_width_, per_layer_width_, compute_options());
}

PerLayerFetch Gemma4Weights::PerLayer(const std::vector<int64_t>& ids, MatrixBuffer& buffer) const {
  return PerLayerTable::Fetch(*per_layer_rows_, ids, types_.device, buffer);
}

at::Tensor Gemma4Weights::PerLayerTokens(int64_t layer, const PerLayerRows& rows) const {
  return rows.Columns(layer * per_layer_width_, per_layer_width_, types_.compute);
}

}  // namespace sub1quant
