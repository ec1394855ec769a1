#include "quant/eval/torch/per_layer_table.h"

#include <algorithm>

#include "core/parallel.h"
#include "core/status.h"
#include "quant/eval/torch/guard.h"
#include "quant/eval/torch/torch_device.h"

namespace sub1quant {
namespace {

// Read by one thread at a time; a row of the published model is 18 KB.
constexpr int64_t kRowsAtOnce = 64;

}  // namespace

at::Tensor PerLayerRows::Columns(int64_t first, int64_t count, at::ScalarType type) const {
  return rows.narrow(1, first, count).index_select(0, places).to(type);
}

absl::StatusOr<PerLayerTable> PerLayerTable::Load(const FileRows& file, const std::vector<int64_t>& ids,
                                                  const at::Device& device, int threads) {
  PerLayerTable table;
  std::vector<int64_t> distinct;
  for (const int64_t id : ids) {
    if (table.places_.emplace(id, static_cast<int64_t>(distinct.size())).second) distinct.push_back(id);
  }
  const auto count = static_cast<int64_t>(distinct.size());
  const at::Tensor rows = StagingTensor({count, file.cols()}, file.stored(), device);
  SUB1QUANT_RETURN_IF_ERROR(ParallelFor(threads, (count + kRowsAtOnce - 1) / kRowsAtOnce, [&](int64_t i) {
    const int64_t first = i * kRowsAtOnce, last = std::min(count, first + kRowsAtOnce);
    const std::vector<int64_t> part(distinct.begin() + first, distinct.begin() + last);
    return GuardTorch([&] { return file.Read(part, 0, rows.narrow(0, first, last - first)); });
  }));
  table.rows_ = rows.to(device, /*non_blocking=*/true);
  return table;
}

PerLayerRows PerLayerTable::Of(const std::vector<int64_t>& ids) const {
  std::vector<int64_t> places;
  places.reserve(ids.size());
  for (const int64_t id : ids) places.push_back(places_.at(id));
  return {rows_, NumbersOn(rows_.device(), places)};
}

}  // namespace sub1quant
