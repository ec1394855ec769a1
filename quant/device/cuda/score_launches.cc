#include "quant/device/cuda/score_launches.h"

#include "quant/eval/cuda/score_kernels.h"

namespace sub1quant {
namespace {

// body(a null pointer to the type in memory).
template <typename Body>
cudaError_t OfType(ScoreType type, const Body& body) {
  return type == ScoreType::kFloat32 ? body(static_cast<float*>(nullptr)) : body(static_cast<Bfloat16*>(nullptr));
}

template <typename T>
T* As(T*, void* memory) {
  return static_cast<T*>(memory);
}
template <typename T>
const T* As(T*, const void* memory) {
  return static_cast<const T*>(memory);
}

}  // namespace

// The runtime's current device is a thread's own, and callers come from any thread.
template <typename Body>
const char* CudaScoreLaunches::Start(void* stream, const Body& body) const {
  cudaError_t error = cudaSetDevice(index_);
  if (error == cudaSuccess) error = body(Launch{static_cast<cudaStream_t>(stream), max_blocks_});
  return error == cudaSuccess ? nullptr : cudaGetErrorName(error);
}

const char* CudaScoreLaunches::RmsNorm(ScoreType type, const void* x, const float* weight, float eps, int64_t rows,
                                       int64_t width, void* out, void* stream) const {
  return Start(stream, [&](const Launch& launch) {
    return OfType(type, [&](auto* t) { return LaunchRmsNorm(launch, As(t, x), weight, eps, rows, width, As(t, out)); });
  });
}

const char* CudaScoreLaunches::AddRmsNorm(ScoreType type, void* x, const void* y, const float* weight, float eps,
                                          float factor, int64_t rows, int64_t width, void* stream) const {
  return Start(stream, [&](const Launch& launch) {
    return OfType(
        type, [&](auto* t) { return LaunchAddRmsNorm(launch, As(t, x), As(t, y), weight, eps, factor, rows, width); });
  });
}

const char* CudaScoreLaunches::GatedGelu(ScoreType type, void* gate, const void* up, int64_t up_stride, int64_t rows,
                                         int64_t width, void* stream) const {
  return Start(stream, [&](const Launch& launch) {
    return OfType(type,
                  [&](auto* t) { return LaunchGatedGelu(launch, As(t, gate), As(t, up), up_stride, rows, width); });
  });
}

const char* CudaScoreLaunches::Rope(ScoreType type, void* x, const void* cos, const void* sin, int64_t rows,
                                    int64_t heads, int64_t positions, int64_t half, void* stream) const {
  return Start(stream, [&](const Launch& launch) {
    return OfType(type, [&](auto* t) {
      return LaunchRope(launch, As(t, x), As(t, cos), As(t, sin), rows, heads, positions, half);
    });
  });
}

const char* CudaScoreLaunches::BeginLogSums(const int64_t* labels, int64_t rows, RunningLogSum* sums,
                                            void* stream) const {
  return Start(stream, [&](const Launch& launch) { return LaunchBeginLogSums(launch, labels, rows, sums); });
}

const char* CudaScoreLaunches::FoldLogits(ScoreType type, const void* logits, int64_t rows, int64_t count,
                                          int64_t begin, float cap, RunningLogSum* sums, void* stream) const {
  return Start(stream, [&](const Launch& launch) {
    return OfType(type,
                  [&](auto* t) { return LaunchFoldLogits(launch, As(t, logits), rows, count, begin, cap, sums); });
  });
}

const char* CudaScoreLaunches::Losses(const RunningLogSum* sums, int64_t rows, float* losses, void* stream) const {
  return Start(stream, [&](const Launch& launch) { return LaunchLosses(launch, sums, rows, losses); });
}

}  // namespace sub1quant
