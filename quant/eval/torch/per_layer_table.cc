#include "quant/eval/torch/per_layer_table.h"

#include <algorithm>

#include "core/status.h"
#include "quant/eval/torch/torch_device.h"

namespace sub1quant {
namespace {

// Of rows that one thread reads at a time; LibTorch rounds blocks of pinned memory up to powers of two. A row of the
// published model is 18 KB.
constexpr int64_t kBytesAtOnce = int64_t{1} << 20;

absl::Status ReadRows(const FileRows& file, const std::vector<int64_t>& ids, const at::Tensor& target) {
  if (target.is_cpu()) return file.Read(ids, 0, target);
  const at::Tensor rows = StagingTensor(target.sizes().vec(), target.scalar_type(), target.device());
  SUB1QUANT_RETURN_IF_ERROR(file.Read(ids, 0, rows));
  target.copy_(rows, /*non_blocking=*/true);
  return absl::OkStatus();
}

}  // namespace

at::Tensor PerLayerRows::Columns(int64_t first, int64_t count, at::ScalarType type) const {
  return rows.narrow(1, first, count).index_select(0, places).to(type);
}

PerLayerFetch PerLayerTable::Fetch(const FileRows& file, const std::vector<int64_t>& ids, const at::Device& device,
                                   MatrixBuffer& buffer) {
  PerLayerFetch fetch;
  PerLayerTable& table = fetch.table;
  std::vector<int64_t> distinct;
  for (const int64_t id : ids) {
    if (table.places_.emplace(id, static_cast<int64_t>(distinct.size())).second) distinct.push_back(id);
  }
  const auto count = static_cast<int64_t>(distinct.size());
  buffer.Reset(MatrixBuffer::Room(count, file.cols()), at::TensorOptions().dtype(file.stored()).device(device));
  table.rows_ = buffer.Take(count, file.cols());
  const auto row_bytes = file.cols() * static_cast<int64_t>(c10::elementSize(file.stored()));
  const int64_t step = std::max<int64_t>(1, kBytesAtOnce / row_bytes);
  for (int64_t first = 0; first < count; first += step) {
    const int64_t last = std::min(count, first + step);
    fetch.steps.push_back(
        [&file, part = std::vector<int64_t>(distinct.begin() + first, distinct.begin() + last),
         target = table.rows_.narrow(0, first, last - first)] { return ReadRows(file, part, target); });
  }
  return fetch;
}

PerLayerRows PerLayerTable::Of(const std::vector<int64_t>& ids) const {
  std::vector<int64_t> places;
  places.reserve(ids.size());
  for (const int64_t id : ids) places.push_back(places_.at(id));
  return {rows_, NumbersOn(rows_.device(), places)};
}

}  // namespace sub1quant
