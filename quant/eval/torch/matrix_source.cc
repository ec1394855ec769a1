#include "quant/eval/torch/matrix_source.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include "core/check.h"
#include "core/status.h"
#include "quant/eval/torch/overlay.h"
#include "quant/eval/torch/tensor_reader.h"

namespace sub1quant {

at::ScalarType MatrixSource::KeptType() const {
  if (!types_.device.is_cpu()) return types_.product;
  if (types_.compute == at::kBFloat16) return at::kBFloat16;
  return WeightScalarType(record_).value_or(at::kFloat);
}

uint64_t MatrixSource::KeptBytes() const {
  return static_cast<uint64_t>(rows() * cols()) * c10::elementSize(KeptType());
}

absl::Status MatrixSource::Keep() {
  at::Tensor kept = at::empty({rows(), cols()}, at::TensorOptions().dtype(KeptType()).device(types_.device));
  SUB1QUANT_RETURN_IF_ERROR(Fetch(0, kept));
  kept_ = std::move(kept);
  return absl::OkStatus();
}

absl::Status MatrixSource::Fetch(int64_t first, const at::Tensor& target) const {
  const int64_t count = target.size(0);
  SUB1QUANT_CHECK(first >= 0 && first + count <= rows() && target.size(1) == cols());
  if (kept_.defined()) {
    target.copy_(View(first, count));
    return absl::OkStatus();
  }
  if (replacement_ == nullptr) return ReadRows(*model_, record_, first, types_.compute, target);
  SUB1QUANT_ASSIGN_OR_RETURN(const at::Tensor values,
                             ReconstructMatrix(overlay_, *replacement_, record_, types_.device));
  CopyRounded(values.narrow(0, first, count), types_.compute, target);
  return absl::OkStatus();
}

at::Tensor MatrixSource::Gather(const std::vector<int64_t>& ids) const {
  return kept_.index_select(0, at::tensor(ids).to(types_.device)).to(types_.compute);
}

}  // namespace sub1quant
