// LibTorch on a device other than the CPU. Private to this folder but for OpenTorchDevice (scorer.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace sub1quant {

// The stream that LibTorch's own work on `device` goes to, as the kernels of the device module take it: work is then
// done in the order in which it was given. Null on the CPU.
void* CurrentStream(const at::Device& device);

// Host memory from which values are copied to `device`. For a device it is pinned, and LibTorch hands it out again only
// once the copies from it are done: it may be dropped after a copy that nobody waits for.
at::Tensor StagingTensor(const std::vector<int64_t>& shape, at::ScalarType type, const at::Device& device);

// int64 on `device`; nobody waits for the copy.
at::Tensor NumbersOn(const at::Device& device, const std::vector<int64_t>& numbers);

}  // namespace sub1quant
