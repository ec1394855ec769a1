#include "quant/eval/torch/upload_slot.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "core/parallel.h"
#include "core/status.h"
#include "quant/eval/torch/guard.h"

namespace sub1quant {

std::optional<c10::Stream> NewCopyStream(const at::Device& device) {
  if (device.is_cpu()) return std::nullopt;
  return c10::impl::VirtualGuardImpl(device.type()).getNewStream(device);
}

UploadSlot::UploadSlot(const std::optional<c10::Stream>& copies) : copies_(copies) {
  if (!copies_.has_value()) return;
  filled_.emplace(copies_->device_type());
  used_.emplace(copies_->device_type());
}

absl::Status UploadSlot::Fill(int threads, const Begin& begin) {
  FetchSteps steps;
  {
    // Memory for the slot, and what the steps need in between, comes from the pool of the stream of copies. Whoever had
    // it before was of that stream too, or Use has named the stream: so it is free for copies now, and drops of what
    // the steps allocate need no further word.
    const c10::OptionalStreamGuard guard(copies_);
    steps = begin(buffer_);
  }
  if (steps.empty()) return absl::OkStatus();  // all of it was in memory
  if (copies_.has_value()) {
    filled_->synchronize();
    copies_->wait(*used_);
  }
  SUB1QUANT_RETURN_IF_ERROR(ParallelFor(threads, static_cast<int64_t>(steps.size()), [&](int64_t i) {
    return GuardTorch([&] {
      const c10::InferenceMode inference;
      const c10::OptionalStreamGuard guard(copies_);
      at::init_num_threads();
      return steps[static_cast<size_t>(i)]();
    });
  }));
  if (copies_.has_value()) filled_->record(*copies_);
  return absl::OkStatus();
}

absl::Status UploadSlot::Use(const std::function<absl::Status()>& body) {
  if (!copies_.has_value() || !filled_->was_marked_for_recording()) return body();
  const c10::impl::VirtualGuardImpl device(copies_->device_type());
  const c10::Stream compute = device.getStream(copies_->device());
  compute.wait(*filled_);
  // The memory is of the other stream's pool. Dropped (an error, a larger buffer), it would be handed out there again
  // while the kernels of `body` read it.
  device.recordDataPtrOnStream(buffer_.memory().storage().data_ptr(), compute);
  SUB1QUANT_RETURN_IF_ERROR(body());
  used_->record(compute);
  return absl::OkStatus();
}

}  // namespace sub1quant
