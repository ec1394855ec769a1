// Memory of CPU tensors, kept for the next tensor of that size. Private to this folder.
#pragma once

#include <cstdint>

namespace sub1quant {

// From now on LibTorch's CPU allocator keeps freed activations, up to `idle_bytes`: the C library gives blocks of this
// size back to the system, and a page fault for every 4 KiB of every new one costs a tenth of scoring. Large tensors
// are on huge pages where the system has them. Once a process.
void InstallBufferPool(uint64_t idle_bytes);

}  // namespace sub1quant
