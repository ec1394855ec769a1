#include "tests/support/cuda_on_host/score_door.h"

#include "quant/eval/cuda/score_kernels.h"

namespace sub1quant {
namespace {

void Check(cudaError_t error) {
  if (error != cudaSuccess) cuda_on_host::Die(cudaGetErrorName(error));
}

template <auto kLaunch>
struct Waiting;
template <typename... Arguments, cudaError_t (*kLaunch)(const Launch&, Arguments...)>
struct Waiting<kLaunch> {
  static void Run(unsigned blocks, Arguments... arguments) {
    cudaStream_t stream = nullptr;
    Check(cudaStreamCreate(&stream));
    Check(kLaunch({stream, blocks}, arguments...));
    Check(cudaStreamSynchronize(stream));
    Check(cudaStreamDestroy(stream));
  }
};

template <typename T>
constexpr ScoreCalls<T> kCalls = {Waiting<LaunchRmsNorm<T>>::Run, Waiting<LaunchAddRmsNorm<T>>::Run,
                                  Waiting<LaunchGatedGelu<T>>::Run, Waiting<LaunchRope<T>>::Run,
                                  Waiting<LaunchFoldLogits<T>>::Run};
constexpr ScoreDoor kDoor = {kCalls<float>, kCalls<Bfloat16>, Waiting<LaunchBeginLogSums>::Run,
                             Waiting<LaunchLosses>::Run};

}  // namespace
}  // namespace sub1quant

extern "C" const sub1quant::ScoreDoor* CudaOnHostScoreDoor() { return &sub1quant::kDoor; }
