// Owners of what the CUDA runtime hands out. CUDA errors travel as CudaFailure inside the module and become a
// ModuleResult at its edge (cuda_device.cc).
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace sub1quant {

struct CudaFailure {
  cudaError_t error;
  const char* what;
};

inline void CheckCuda(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw CudaFailure{error, what};
}

// Errors of freeing are echoes of an earlier one.
struct FreeDevice {
  void operator()(uint8_t* memory) const { (void)cudaFree(memory); }
};
struct FreePinned {
  void operator()(uint8_t* memory) const { (void)cudaFreeHost(memory); }
};
using DeviceMemory = std::unique_ptr<uint8_t, FreeDevice>;
using PinnedMemory = std::unique_ptr<uint8_t, FreePinned>;

inline DeviceMemory AllocateDevice(size_t bytes) {
  void* memory = nullptr;
  CheckCuda(cudaMalloc(&memory, bytes), "cudaMalloc");
  return DeviceMemory(static_cast<uint8_t*>(memory));
}
inline PinnedMemory AllocatePinned(size_t bytes) {
  void* memory = nullptr;
  CheckCuda(cudaMallocHost(&memory, bytes), "cudaMallocHost");
  return PinnedMemory(static_cast<uint8_t*>(memory));
}

class Stream {
 public:
  Stream() { CheckCuda(cudaStreamCreate(&stream_), "cudaStreamCreate"); }
  ~Stream() { (void)cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }
  void Wait() const { CheckCuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  Event() { CheckCuda(cudaEventCreate(&event_), "cudaEventCreate"); }
  ~Event() { (void)cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace sub1quant
