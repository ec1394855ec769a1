#include "quant/eval/torch/torch_device.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/ops/empty.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/eval/torch/guard.h"
#include "quant/eval/torch/scorer.h"

namespace sub1quant {
namespace {

// The worker links none of LibTorch's CUDA libraries (docs/building.md); opened, they register themselves. Before
// anything asks for at::hasCUDA(), whose answer is kept.
absl::Status OpenCudaLibraries() {
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr) return absl::OkStatus();
  const char* why = dlerror();
  return absl::FailedPreconditionError(absl::StrCat("LibTorch without its CUDA libraries: ", why == nullptr ? "" : why,
                                                    "; scripts/setup.sh --cuda installs them"));
}

}  // namespace

void* CurrentStream(const at::Device& device) {
  if (device.is_cpu()) return nullptr;
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device).native_handle();
}

at::Tensor StagingTensor(const std::vector<int64_t>& shape, at::ScalarType type, const at::Device& device) {
  return at::empty(shape, at::TensorOptions().dtype(type).pinned_memory(!device.is_cpu()));
}

at::Tensor NumbersOn(const at::Device& device, const std::vector<int64_t>& numbers) {
  const at::Tensor staged = StagingTensor({static_cast<int64_t>(numbers.size())}, at::kLong, device);
  std::copy(numbers.begin(), numbers.end(), static_cast<int64_t*>(staged.data_ptr()));
  return staged.to(device, /*non_blocking=*/true);
}

absl::StatusOr<uint64_t> OpenTorchDevice(const std::string& name) {
  return GuardTorch([&]() -> absl::StatusOr<uint64_t> {
    SUB1QUANT_RETURN_IF_ERROR(OpenCudaLibraries());
    const at::Device device(name);
    if (!at::globalContext().hasCUDART()) return absl::FailedPreconditionError("LibTorch was asked for CUDA too early");
    const auto count = static_cast<int64_t>(at::getNumGPUs());
    if (!device.is_cuda() || !device.has_index() || device.index() >= count) {
      return absl::FailedPreconditionError(
          absl::StrCat("LibTorch sees ", count, " CUDA devices; ", name, " is not among them"));
    }
    at::globalContext().lazyInitDevice(at::kCUDA);
    // Sums in bfloat16 between the parts of a product would depend on how cuBLAS splits it.
    at::globalContext().setAllowBF16ReductionCuBLAS(false);
    at::globalContext().setFloat32MatmulPrecision("highest");  // no TF32
    return at::accelerator::getMemoryInfo(device.index()).first;
  });
}

}  // namespace sub1quant
