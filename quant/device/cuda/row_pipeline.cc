#include "quant/device/cuda/row_pipeline.h"

#include <algorithm>
#include <cstring>

namespace sub1quant {
namespace {

constexpr int64_t kAlignment = 256;
constexpr int64_t kMaxBlockWeights = int64_t{1} << 30;
constexpr int64_t kLeastBlockBytes = int64_t{2} << 20, kBlocks = 8;
// Wider rows cannot overflow the sizes below and fit no buffer.
constexpr int64_t kMaxBitsPerRow = int64_t{1} << 44;
// As the kernels see it: first_bad, then limbs.
static_assert(sizeof(RunReport) == sizeof(uint64_t) * (1 + kMaxKernelSums * kLimbs));

int64_t BytesOf(int64_t rows, int64_t bits_per_row) { return (rows * bits_per_row + 7) / 8; }

template <typename Array>
int64_t AlignedBytes(int64_t rows, const std::vector<Array>& arrays) {
  int64_t bytes = 0;
  for (const Array& array : arrays)
    if (array.present()) bytes += (BytesOf(rows, array.bits_per_row) + kAlignment - 1) / kAlignment * kAlignment;
  return bytes;
}

// Pointers to the arrays of a block, one behind the other from `base`.
template <typename Array>
std::vector<uint8_t*> Place(uint8_t* base, int64_t rows, const std::vector<Array>& arrays) {
  std::vector<uint8_t*> places;
  for (const Array& array : arrays) {
    places.push_back(array.present() ? base : nullptr);
    if (array.present()) base += AlignedBytes<Array>(rows, {array});
  }
  return places;
}

template <typename Array>
bool Fits(int64_t rows, const std::vector<Array>& arrays, int64_t bytes) {
  return AlignedBytes(rows, arrays) <= bytes;
}

// Blocks of at least 2 MiB, of which a matrix has eight if it can: while the first is read the device does nothing, and
// while it computes the last nobody reads.
int64_t RowsOfManyBlocks(int64_t rows, const std::vector<RowsIn>& in) {
  int64_t bits = 1;
  for (const RowsIn& array : in) bits += array.present() ? array.bits_per_row : 0;
  const int64_t least = kLeastBlockBytes * 8 / bits + 1, eighth = (rows + kBlocks - 1) / kBlocks;
  return std::min(rows, (std::max(least, eighth) + 1) / 2 * 2);
}

}  // namespace

RowPipeline::Slot::Slot(size_t bytes)
    : host_in(AllocatePinned(bytes)),
      host_out(AllocatePinned(bytes)),
      device_in(AllocateDevice(bytes)),
      device_out(AllocateDevice(bytes)) {}

RowPipeline::RowPipeline(size_t slot_bytes)
    : slot_bytes_(slot_bytes),
      slots_{Slot(slot_bytes), Slot(slot_bytes)},
      report_(AllocateDevice(sizeof(RunReport))),
      host_report_(AllocatePinned(sizeof(RunReport))) {}

int64_t RowPipeline::RowsPerBlock(int64_t rows, int64_t padded_cols, const std::vector<RowsIn>& in,
                                  const std::vector<RowsOut>& out) const {
  for (const RowsIn& array : in)
    if (array.bits_per_row > kMaxBitsPerRow) return 0;
  for (const RowsOut& array : out)
    if (array.bits_per_row > kMaxBitsPerRow) return 0;
  if (padded_cols > kMaxBlockWeights) return 0;
  const auto bytes = static_cast<int64_t>(slot_bytes_);
  const auto fits = [&](int64_t count) { return Fits(count, in, bytes) && Fits(count, out, bytes); };
  const int64_t most = std::min({rows, kMaxBlockWeights / padded_cols, RowsOfManyBlocks(rows, in)});
  if (most == rows && fits(rows)) return rows;
  // The largest even number that fits, by bisection over halves.
  int64_t low = 0, high = most / 2;
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (fits(2 * middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return 2 * low;
}

std::optional<RunReport> RowPipeline::Run(int64_t rows, int64_t rows_per_block, const std::vector<RowsIn>& in,
                                          const std::vector<RowsOut>& out,
                                          const std::function<void(const RowBlock&)>& start) {
  ClearReport();
  for (Slot& slot : slots_) slot.rows = 0;
  int turn = 0;
  for (int64_t first = 0; first < rows; first += rows_per_block, turn ^= 1) {
    Slot& slot = slots_[turn];
    Finish(slot, out);
    slot.first_row = first;
    slot.rows = std::min(rows_per_block, rows - first);
    if (Begin(slot, in, out, start)) continue;
    for (Slot& begun : slots_) begun.stream.Wait();  // the next run uses their buffers
    return std::nullopt;
  }
  Finish(slots_[turn], out);
  Finish(slots_[turn ^ 1], out);
  const cudaStream_t stream = slots_[0].stream.get();
  CheckCuda(cudaMemcpyAsync(host_report_.get(), report_.get(), sizeof(RunReport), cudaMemcpyDeviceToHost, stream),
            "copying the report");
  slots_[0].stream.Wait();
  RunReport report;
  std::memcpy(&report, host_report_.get(), sizeof(report));
  return report;
}

void RowPipeline::ClearReport() {
  const cudaStream_t stream = slots_[0].stream.get();
  CheckCuda(cudaMemsetAsync(report_.get(), 0xff, sizeof(uint64_t), stream), "cudaMemsetAsync");
  CheckCuda(cudaMemsetAsync(report_.get() + sizeof(uint64_t), 0, sizeof(RunReport) - sizeof(uint64_t), stream),
            "cudaMemsetAsync");
  CheckCuda(cudaEventRecord(report_cleared_.get(), stream), "cudaEventRecord");
  CheckCuda(cudaStreamWaitEvent(slots_[1].stream.get(), report_cleared_.get(), 0), "cudaStreamWaitEvent");
}

bool RowPipeline::Begin(Slot& slot, const std::vector<RowsIn>& in, const std::vector<RowsOut>& out,
                        const std::function<void(const RowBlock&)>& start) {
  RowBlock block;
  block.first_row = slot.first_row;
  block.rows = slot.rows;
  block.stream = slot.stream.get();
  block.in = Place(slot.device_in.get(), slot.rows, in);
  block.out = Place(slot.device_out.get(), slot.rows, out);
  auto* words = reinterpret_cast<unsigned long long*>(report_.get());
  block.report = {words, words + 1};

  const std::vector<uint8_t*> pinned = Place(slot.host_in.get(), slot.rows, in);
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i].source != nullptr && !in[i].source->Read(slot.first_row, slot.rows, pinned[i])) return false;
    if (in[i].host == nullptr) continue;
    const auto* from = static_cast<const uint8_t*>(in[i].host) + slot.first_row * in[i].bits_per_row / 8;
    std::memcpy(pinned[i], from, static_cast<size_t>(BytesOf(slot.rows, in[i].bits_per_row)));
  }
  CheckCuda(cudaMemcpyAsync(slot.device_in.get(), slot.host_in.get(), static_cast<size_t>(AlignedBytes(slot.rows, in)),
                            cudaMemcpyHostToDevice, block.stream),
            "copying to the device");
  start(block);
  if (const int64_t bytes = AlignedBytes(slot.rows, out); bytes > 0)
    CheckCuda(cudaMemcpyAsync(slot.host_out.get(), slot.device_out.get(), static_cast<size_t>(bytes),
                              cudaMemcpyDeviceToHost, block.stream),
              "copying from the device");
  return true;
}

void RowPipeline::Finish(Slot& slot, const std::vector<RowsOut>& out) {
  if (slot.rows == 0) return;
  slot.stream.Wait();
  const std::vector<uint8_t*> pinned = Place(slot.host_out.get(), slot.rows, out);
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].host == nullptr) continue;
    auto* to = static_cast<uint8_t*>(out[i].host) + slot.first_row * out[i].bits_per_row / 8;
    std::memcpy(to, pinned[i], static_cast<size_t>(BytesOf(slot.rows, out[i].bits_per_row)));
  }
  slot.rows = 0;
}

}  // namespace sub1quant
