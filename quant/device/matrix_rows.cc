#include "quant/device/matrix_rows.h"

#include <algorithm>
#include <cstring>

#include "core/parallel.h"

namespace sub1quant {
namespace {

constexpr int64_t kBytesOfAThread = int64_t{1} << 20;

}  // namespace

bool MatrixRows::Read(int64_t first, int64_t count, void* out) {
  const int64_t row_bytes = matrix_.cols * (matrix_.dtype == DType::kF32 ? 4 : 2);
  const int64_t parts = std::clamp<int64_t>(count * row_bytes / kBytesOfAThread, 1, std::min<int64_t>(threads_, count));
  const auto read = [&](int64_t part) -> absl::Status {
    const int64_t begin = count * part / parts, rows = count * (part + 1) / parts - begin;
    auto* const to = static_cast<uint8_t*>(out) + begin * row_bytes;
    if (matrix_.data == nullptr) return matrix_.reader->Read(first + begin, rows, to);
    std::memcpy(to, static_cast<const uint8_t*>(matrix_.data) + (first + begin) * row_bytes,
                static_cast<size_t>(rows * row_bytes));
    return absl::OkStatus();
  };
  return ParallelFor(threads_, parts, read).ok();
}

}  // namespace sub1quant
