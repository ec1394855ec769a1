#include "quant/eval/torch/window_run.h"

#include <ATen/Parallel.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/parallel.h"
#include "core/status.h"
#include "quant/eval/torch/guard.h"
#include "quant/eval/torch/linear.h"

namespace sub1quant {
namespace {

// Logits are never whole in memory: a tile is 4 MiB of float32 a thread, two blocks of the head's rows 24 MiB.
constexpr int64_t kTileRows = 512, kTileVocabulary = 2048;
constexpr int64_t kHeadRows = kTileVocabulary;
// Rows of a tile are a multiple of this where the window has as many: oneDNN finds no good blocks for 511 rows and
// takes 11 % longer than for 512 (14.9 against 13.5 ms a tile on a Zen 5 core).
constexpr int64_t kRowMultiple = 16;

// The rows of one window that are predicted from, in pieces of the height of a tile.
class HeadWork {
 public:
  // hidden: [T, hidden] after the final norm.
  HeadWork(const WindowWork& window, const at::Tensor& hidden, const Operations& operations,
           std::optional<double> cap) {
    const at::Tensor labels = at::tensor(window.ids).to(hidden.device());
    const int64_t length = labels.size(0), first = length - window.targets;
    for (int64_t row = 0; row < window.targets; row += kTileRows) {
      const int64_t count = std::min(kTileRows, window.targets - row), from = first - 1 + row;
      const int64_t rows = std::min(length, (count + kRowMultiple - 1) / kRowMultiple * kRowMultiple);
      const int64_t begin = std::min(from, length - rows);
      pieces_.push_back({hidden.narrow(0, begin, rows), from - begin, count,
                         operations.NewLossRows(labels.narrow(0, first + row, count), cap)});
    }
  }

  // rows: of the head, for vocabulary entries from `begin` on.
  void Fold(const at::Tensor& rows, int64_t begin) {
    for (int64_t tile = 0; tile < rows.size(0); tile += kTileVocabulary) {
      const at::Tensor part = rows.narrow(0, tile, std::min(kTileVocabulary, rows.size(0) - tile));
      for (Piece& piece : pieces_) {
        piece.loss->Fold(Linear(piece.hidden, part).narrow(0, piece.skipped, piece.count), begin + tile);
      }
    }
  }

  std::vector<float> Losses() {
    std::vector<float> losses;
    for (Piece& piece : pieces_) {
      const at::Tensor values = piece.loss->Finish().cpu();
      const auto* data = static_cast<const float*>(values.const_data_ptr());
      losses.insert(losses.end(), data, data + values.numel());
    }
    return losses;
  }

 private:
  struct Piece {
    at::Tensor hidden;       // with neighbours, whose logits are not looked at
    int64_t skipped, count;  // rows in front of those that count, and these
    std::unique_ptr<LossRows> loss;
  };
  std::vector<Piece> pieces_;
};

}  // namespace

absl::Status WindowRun::ForWindows(const std::vector<WindowWork>& windows, const FetchSteps& steps,
                                   const std::function<absl::Status(int64_t)>& body) const {
  const auto count = static_cast<int64_t>(windows.size());
  return ParallelFor(threads_, count + static_cast<int64_t>(steps.size()), [&](int64_t i) {
    const absl::Status status = GuardTorch([&] {
      const c10::InferenceMode inference;
      at::init_num_threads();  // this thread inherits the one intra-op thread of InitializeTorch
      return i < count ? body(i) : steps[i - count]();
    });
    if (i >= count || absl::IsCancelled(status)) return status;
    return Annotate(status, absl::StrCat("window ", windows[i].index));
  });
}

absl::Status WindowRun::Run(std::vector<WindowWork>& windows, const Observer& observer) {
  const c10::InferenceMode inference;
  size_t longest = 0;
  for (const WindowWork& window : windows) longest = std::max(longest, window.ids.size());
  const Decoder decoder(config_, weights_, operations_, static_cast<int64_t>(longest));
  std::vector<Sequence> sequences(windows.size());
  LayerFetch next = weights_.Layer(0, buffers_[0]);
  SUB1QUANT_RETURN_IF_ERROR(ForWindows(windows, next.steps, [&](int64_t i) {
    sequences[i].ids = windows[i].embedded;
    return decoder.Embed(sequences[i], observer);
  }));
  for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
    const LayerMatrices matrices = std::move(next.matrices);
    next = layer + 1 < config_.num_hidden_layers ? weights_.Layer(layer + 1, buffers_[(layer + 1) % 2]) : LayerFetch();
    SUB1QUANT_RETURN_IF_ERROR(ForWindows(windows, next.steps, [&](int64_t i) -> absl::Status {
      SUB1QUANT_RETURN_IF_ERROR(decoder.Layer(layer, matrices, sequences[i], observer));
      return done_(1);
    }));
  }
  std::vector<at::Tensor> hidden(windows.size());
  for (size_t i = 0; i < windows.size(); ++i) {
    hidden[i] = decoder.FinalNorm(sequences[i], observer);
    sequences[i] = Sequence();
  }
  return RunHead(windows, hidden);
}

absl::Status WindowRun::RunHead(std::vector<WindowWork>& windows, const std::vector<at::Tensor>& hidden) {
  std::vector<HeadWork> heads;
  heads.reserve(windows.size());
  for (size_t i = 0; i < windows.size(); ++i) {
    heads.emplace_back(windows[i], hidden[i], operations_, config_.final_logit_softcapping);
  }
  const auto rows_from = [&](int64_t first) {
    const int64_t count = std::min(kHeadRows, config_.vocab_size - first);
    return count > 0 ? weights_.Head(first, count, buffers_[first / kHeadRows % 2]) : HeadFetch();
  };
  HeadFetch next = rows_from(0);
  SUB1QUANT_RETURN_IF_ERROR(ForWindows({}, next.steps, [](int64_t) { return absl::OkStatus(); }));
  for (int64_t first = 0; first < config_.vocab_size; first += kHeadRows) {
    const at::Tensor rows = next.rows;
    next = rows_from(first + kHeadRows);
    SUB1QUANT_RETURN_IF_ERROR(ForWindows(windows, next.steps, [&](int64_t i) {
      heads[i].Fold(rows, first);
      return done_(0);
    }));
  }
  return ForWindows(windows, {}, [&](int64_t i) {
    windows[i].losses = heads[i].Losses();
    return done_(1);
  });
}

}  // namespace sub1quant
