// Weights on their way into memory of a device while it computes with others: copies have a stream of their own beside
// the stream of kernels, LibTorch's current one of the thread that gives the device its work. Private to this folder.
//
// The rule, kept here and nowhere else: a slot is filled on the stream of copies after everything that used what was in
// it, and used after everything that filled it. Two slots in turn then keep both streams busy.
#pragma once

#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <array>
#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "quant/eval/torch/matrix_buffer.h"

namespace sub1quant {

// A stream for copies to `device`, from LibTorch's pool (it never ends); nullopt on the CPU, where slots are filled and
// used by plain calls. A pool of memory comes with each stream: one a scorer.
std::optional<c10::Stream> NewCopyStream(const at::Device& device);

// Memory for a layer's matrices, a block of the LM head, or rows of an embedding table. One thread at a time. After an
// error the slot may only be dropped, at once: its memory is then not used again before the device has done with it.
class UploadSlot {
 public:
  // Takes its tensors from the buffer and says how they are filled.
  using Begin = std::function<FetchSteps(MatrixBuffer&)>;

  explicit UploadSlot(const std::optional<c10::Stream>& copies);

  // Runs what `begin` returns on `threads` threads of the host, all of it with the stream of copies as the current one:
  // nobody has to remember it. Returns when the copies were given to the device. First waits for the copies of this
  // slot's fill before, so that no more lies in pinned memory than slots hold.
  absl::Status Fill(int threads, const Begin& begin);
  // `body` gives the device the work that reads what the last Fill has put here.
  absl::Status Use(const std::function<absl::Status()>& body);

 private:
  std::optional<c10::Stream> copies_;        // this and the events: nullopt on the CPU
  std::optional<c10::Event> filled_, used_;  // of the last Fill, of the last Use
  MatrixBuffer buffer_;
};

// What a run on a device uploads through.
class UploadSlots {
 public:
  explicit UploadSlots(const std::optional<c10::Stream>& copies)
      : matrices_{UploadSlot(copies), UploadSlot(copies)}, per_layer_rows_(copies) {}

  // The one of two that was not the last.
  UploadSlot& NextMatrices() {
    turn_ = 1 - turn_;
    return matrices_[turn_];
  }
  UploadSlot& per_layer_rows() { return per_layer_rows_; }

 private:
  std::array<UploadSlot, 2> matrices_;
  UploadSlot per_layer_rows_;
  size_t turn_ = 0;
};

}  // namespace sub1quant
