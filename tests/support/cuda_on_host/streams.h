// The part of the CUDA runtime API that our host code uses. Nothing that is put into a stream runs before somebody
// waits for it, and then only that stream up to the awaited place: the latest moment that the API allows. Reading a
// result too early, or refilling a buffer that a copy still needs, therefore gives wrong bytes here and not only on a
// busy device. Fresh memory is filled with a pattern.
//
// One thread at a time. A failure can be planted: FailAfter(n, error) lets n calls pass and fails every one after them.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <tuple>
#include <utility>
#include <vector>

#include "block.h"

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchFailure = 719,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };

struct cudaDeviceProp {
  char name[256];
  int major, minor;
  int multiProcessorCount;
  size_t totalGlobalMem;
};

namespace cuda_on_host {

class Stream {
 public:
  void Put(std::function<void()> work) {
    work_.push_back(std::move(work));
    ++put_;
  }
  uint64_t put() const { return put_; }
  void RunUntil(uint64_t place) {
    while (done_ < place && !work_.empty()) {
      const std::function<void()> work = std::move(work_.front());
      work_.pop_front();
      work();
      ++done_;
    }
  }
  void RunAll() { RunUntil(put_); }

 private:
  std::deque<std::function<void()>> work_;
  uint64_t put_ = 0, done_ = 0;
};

// All that live. Freeing memory waits for them, as on a device.
inline std::vector<Stream*>& Streams() {
  static std::vector<Stream*> streams;
  return streams;
}
inline void RunAllStreams() {
  for (Stream* stream : Streams()) stream->RunAll();
}

// The null stream is the default stream, which runs at once and after everything that was put into the others: a
// caller on the CPU then finds results where LibTorch on a device would order its own work behind them.
inline void Put(Stream* stream, std::function<void()> work) {
  if (stream != nullptr) return stream->Put(std::move(work));
  RunAllStreams();
  work();
}

struct Event {
  Stream* stream = nullptr;
  uint64_t place = 0;
  std::chrono::steady_clock::time_point recorded = {};
};

struct Planted {
  int64_t calls_left = -1;  // negative: no failure
  cudaError_t error = cudaSuccess;
  int devices = 1;
};
inline Planted& PlantedFailure() {
  static Planted planted;
  return planted;
}
inline void FailAfter(int64_t calls, cudaError_t error) { PlantedFailure() = {calls, error, PlantedFailure().devices}; }

// What a call of the API returns.
inline cudaError_t Outcome() {
  Planted& planted = PlantedFailure();
  if (planted.calls_left < 0) return cudaSuccess;
  if (planted.calls_left == 0) return planted.error;
  --planted.calls_left;
  return cudaSuccess;
}

inline cudaError_t Allocate(void** memory, size_t bytes) {
  if (const cudaError_t error = Outcome(); error != cudaSuccess) return error;
  *memory = std::malloc(bytes);
  if (*memory == nullptr) return cudaErrorMemoryAllocation;
  std::memset(*memory, 0xcb, bytes);
  return cudaSuccess;
}

}  // namespace cuda_on_host

using cudaStream_t = cuda_on_host::Stream*;
using cudaEvent_t = cuda_on_host::Event*;

inline const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    default:
      return "cudaErrorInvalidValue";
  }
}
inline const char* cudaGetErrorString(cudaError_t) { return "planted by cuda_on_host"; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }

inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = cuda_on_host::PlantedFailure().devices;
  if (const cudaError_t error = cuda_on_host::Outcome(); error != cudaSuccess) return error;
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}
inline cudaError_t cudaSetDevice(int device) {
  if (const cudaError_t error = cuda_on_host::Outcome(); error != cudaSuccess) return error;
  return device >= 0 && device < cuda_on_host::PlantedFailure().devices ? cudaSuccess : cudaErrorInvalidDevice;
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"CUDA on host", 9, 0, 2, size_t{1} << 32};
  return cuda_on_host::Outcome();
}

inline cudaError_t cudaMalloc(void** memory, size_t bytes) { return cuda_on_host::Allocate(memory, bytes); }
inline cudaError_t cudaMallocHost(void** memory, size_t bytes) { return cuda_on_host::Allocate(memory, bytes); }
inline cudaError_t cudaFree(void* memory) {
  cuda_on_host::RunAllStreams();
  std::free(memory);
  return cuda_on_host::Outcome();
}
inline cudaError_t cudaFreeHost(void* memory) {
  cuda_on_host::RunAllStreams();
  std::free(memory);
  return cuda_on_host::Outcome();
}

inline cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  if (const cudaError_t error = cuda_on_host::Outcome(); error != cudaSuccess) return error;
  *stream = new cuda_on_host::Stream;
  cuda_on_host::Streams().push_back(*stream);
  return cudaSuccess;
}
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  stream->RunAll();
  std::erase(cuda_on_host::Streams(), stream);
  delete stream;
  return cuda_on_host::Outcome();
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (const cudaError_t error = cuda_on_host::Outcome(); error != cudaSuccess) return error;
  stream->RunAll();
  return cudaSuccess;
}

inline cudaError_t cudaEventCreate(cudaEvent_t* event) {
  if (const cudaError_t error = cuda_on_host::Outcome(); error != cudaSuccess) return error;
  *event = new cuda_on_host::Event;
  return cudaSuccess;
}
inline cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cuda_on_host::Outcome();
}
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (const cudaError_t error = cuda_on_host::Outcome(); error != cudaSuccess) return error;
  *event = {stream, stream->put(), std::chrono::steady_clock::now()};
  return cudaSuccess;
}
// Of the host, between the records: what a bench prints, and nothing else.
inline cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->recorded - begin->recorded).count();
  return cuda_on_host::Outcome();
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (const cudaError_t error = cuda_on_host::Outcome(); error != cudaSuccess) return error;
  if (event->stream != nullptr) event->stream->RunUntil(event->place);
  return cudaSuccess;
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned = 0) {
  if (const cudaError_t error = cuda_on_host::Outcome(); error != cudaSuccess) return error;
  stream->Put([waited = *event] {
    if (waited.stream != nullptr) waited.stream->RunUntil(waited.place);
  });
  return cudaSuccess;
}

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  if (const cudaError_t error = cuda_on_host::Outcome(); error != cudaSuccess) return error;
  cuda_on_host::Put(stream, [=] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  if (const cudaError_t error = cuda_on_host::Outcome(); error != cudaSuccess) return error;
  cuda_on_host::Put(stream, [=] { std::memset(memory, value, bytes); });
  return cudaSuccess;
}

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  if (const cudaError_t error = cuda_on_host::Outcome(); error != cudaSuccess) return error;
  std::tuple<Parameters...> copies(std::forward<Arguments>(arguments)...);
  cuda_on_host::Put(config->stream, [config = *config, kernel, copies] {
    cuda_on_host::RunGrid(config.gridDim, config.blockDim, config.dynamicSmemBytes,
                          [&] { std::apply(kernel, copies); });
  });
  return cudaSuccess;
}
