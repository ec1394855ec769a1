// Moves blocks of rows through the device: host memory or file → pinned buffer → device → kernel → pinned buffer → host
// memory.
// Two slots with a stream each: while one computes and copies, the CPU fills the other. All memory is taken at
// construction.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "quant/device/cuda/handles.h"
#include "quant/device/module.h"

namespace sub1quant {

// An array of `bits_per_row` bits a row; an even number of rows makes whole bytes. One that is not there is left out:
// its pointer in device memory is null.
struct RowsIn {
  const void* host = nullptr;
  int64_t bits_per_row = 0;
  HostRows* source = nullptr;  // instead of `host`
  bool present() const { return host != nullptr || source != nullptr; }
};
struct RowsOut {
  void* host = nullptr;
  int64_t bits_per_row = 0;
  bool present() const { return host != nullptr; }
};

struct RowBlock {
  int64_t first_row = 0, rows = 0;
  std::vector<uint8_t*> in, out;  // device memory, aligned to 256 bytes
  cudaStream_t stream = nullptr;
  KernelReport report;
};

// What the kernels of one run reported.
struct RunReport {
  uint64_t first_bad = kNoBadGroup;
  uint64_t limbs[kMaxKernelSums][kLimbs] = {};
};

class RowPipeline {
 public:
  explicit RowPipeline(size_t slot_bytes);

  // Rows of a block, an even number, or 1 for the whole of a matrix of one row; 0 if not even two rows fit.
  // `padded_cols` bounds the block so that numbers of weights and groups stay below 2^31.
  int64_t RowsPerBlock(int64_t rows, int64_t padded_cols, const std::vector<RowsIn>& in,
                       const std::vector<RowsOut>& out) const;

  // Calls start(block) for blocks of `rows_per_block` rows; it puts kernels into block.stream and nothing else. Nothing
  // if a source had no rows.
  std::optional<RunReport> Run(int64_t rows, int64_t rows_per_block, const std::vector<RowsIn>& in,
                               const std::vector<RowsOut>& out, const std::function<void(const RowBlock&)>& start);

 private:
  struct Slot {
    explicit Slot(size_t bytes);
    Stream stream;
    PinnedMemory host_in, host_out;
    DeviceMemory device_in, device_out;
    int64_t first_row = 0, rows = 0;  // in flight; none if rows is 0
  };

  void ClearReport();
  // False if a source had no rows: nothing was begun.
  bool Begin(Slot& slot, const std::vector<RowsIn>& in, const std::vector<RowsOut>& out,
             const std::function<void(const RowBlock&)>& start);
  void Finish(Slot& slot, const std::vector<RowsOut>& out);

  size_t slot_bytes_;
  Slot slots_[2];
  DeviceMemory report_;
  PinnedMemory host_report_;
  Event report_cleared_;
};

}  // namespace sub1quant
