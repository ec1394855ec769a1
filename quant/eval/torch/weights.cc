#include "quant/eval/torch/weights.h"

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <utility>

#include "core/parallel.h"
#include "core/status.h"
#include "quant/eval/torch/guard.h"

namespace sub1quant {
namespace {

// Rows that one thread fetches at once.
constexpr int64_t kFetchElements = int64_t{1} << 20;

// Rows [first, first + target rows) of `source` → target.
struct Fetch {
  const MatrixSource* source;
  int64_t first;
  at::Tensor target;
};

void Split(const MatrixSource& source, int64_t first, const at::Tensor& target, std::vector<Fetch>& fetches) {
  const int64_t rows = target.size(0);
  const int64_t step = source.divisible() ? std::max<int64_t>(1, kFetchElements / source.cols()) : rows;
  for (int64_t row = 0; row < rows; row += step) {
    fetches.push_back({&source, first + row, target.narrow(0, row, std::min(step, rows - row))});
  }
}

absl::Status Run(const std::vector<Fetch>& fetches, int threads) {
  return ParallelFor(threads, static_cast<int64_t>(fetches.size()), [&](int64_t i) {
    return GuardTorch([&] {
      const c10::InferenceMode inference;
      return fetches[i].source->Fetch(fetches[i].first, fetches[i].target);
    });
  });
}

}  // namespace

void MatrixBuffer::Reset(int64_t elements, const at::TensorOptions& options) {
  used_ = 0;
  if (memory_.defined() && memory_.numel() >= elements) return;
  memory_ = at::Tensor();  // before the larger one
  memory_ = at::empty({elements}, options);
}

at::Tensor MatrixBuffer::Take(int64_t rows, int64_t cols) {
  const at::Tensor piece = memory_.narrow(0, used_, rows * cols).view({rows, cols});
  used_ += Room(rows, cols);
  return piece;
}

absl::StatusOr<LayerMatrices> Gemma4Weights::Layer(int64_t layer, int threads, MatrixBuffer& buffer) const {
  LayerMatrices matrices;
  std::vector<Fetch> fetches;
  int64_t room = 0;
  for (const Piece& piece : layers_[layer]) {
    if (!piece.source->ready()) room += MatrixBuffer::Room(piece.count, piece.source->cols());
  }
  buffer.Reset(room, types_.product_options());
  for (const Piece& piece : layers_[layer]) {
    at::Tensor& target = matrices.*piece.target;
    if (piece.source->ready()) {
      target = piece.source->View(piece.first, piece.count);
      continue;
    }
    target = buffer.Take(piece.count, piece.source->cols());
    Split(*piece.source, piece.first, target, fetches);
  }
  SUB1QUANT_RETURN_IF_ERROR(Run(fetches, threads));
  return matrices;
}

absl::StatusOr<at::Tensor> Gemma4Weights::Head(int64_t first, int64_t count, int threads, MatrixBuffer& buffer) const {
  if (head_->ready()) return head_->View(first, count);
  buffer.Reset(MatrixBuffer::Room(count, head_->cols()), types_.product_options());
  const at::Tensor target = buffer.Take(count, head_->cols());
  std::vector<Fetch> fetches;
  Split(*head_, first, target, fetches);
  SUB1QUANT_RETURN_IF_ERROR(Run(fetches, threads));
  return target;
}

absl::StatusOr<at::Tensor> Gemma4Weights::Embeddings(const std::vector<int64_t>& ids) const {
  if (embedding_rows_ == nullptr) return head_->Gather(ids);
  return embedding_rows_->Gather(ids, 0, head_->cols(), compute_options());
}

absl::StatusOr<at::Tensor> Gemma4Weights::PerLayerTokens(int64_t layer, const std::vector<int64_t>& ids) const {
  return per_layer_rows_->Gather(ids, layer * per_layer_width_, per_layer_width_, compute_options());
}

}  // namespace sub1quant
