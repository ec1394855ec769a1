// What a GPU does with the codec kernels, each beside a floor in the same run, arms interleaved, medians: run by
// scripts/bench.sh gpu, prints one JSON object a figure.
//
// * B5: search of a matrix that lies in device memory, the published five; other arm: the device copies the same bytes
// * B7: search from host memory through the pinned buffers, as a worker does it; other arm: only the copies
// * B9: decode to dense bfloat16; other arm: the device copies as many bytes as are read and written
//
// Arms take one of eight matrices after the other: one alone, 38 MB, would stay in the second cache of an L4 or H100.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <vector>

#include "bench/measure.h"
#include "core/parallel.h"
#include "quant/codec/arithmetic.h"
#include "quant/codec/int4_group/int4_cuda.h"
#include "quant/device/cuda/cuda_device.h"
#include "quant/device/cuda/handles.h"
#include "quant/device/matrix_rows.h"
#include "quant/search/cuda/published_search.h"

namespace sub1quant {
namespace {

constexpr uint32_t kCols = 1536, kGroupSize = 128;
constexpr int kRepeats = 15;
constexpr size_t kMatrices = 8;
constexpr uint64_t kSlotBytes = uint64_t{16} << 20;

// Random, never zeros: a GPU draws less power on zeros and clocks higher.
std::vector<uint16_t> RandomWeights(int64_t rows) {
  std::vector<uint16_t> weights(static_cast<size_t>(rows * kCols));
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  for (uint16_t& w : weights) w = Bf16Bits(normal(random));
  return weights;
}

class Timer {
 public:
  explicit Timer(cudaStream_t stream) : stream_(stream) {}
  // Milliseconds on the device.
  double Time(const std::function<void()>& work) const {
    CheckCuda(cudaEventRecord(begin_.get(), stream_), "cudaEventRecord");
    work();
    CheckCuda(cudaEventRecord(end_.get(), stream_), "cudaEventRecord");
    CheckCuda(cudaEventSynchronize(end_.get()), "cudaEventSynchronize");
    float milliseconds = 0;
    CheckCuda(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()), "cudaEventElapsedTime");
    return milliseconds;
  }

 private:
  cudaStream_t stream_;
  Event begin_, end_;
};

// Both arms in turn; ours / other is how many times the floor we take.
void Compare(const char* name, const char* what, double goal, const std::function<double()>& ours,
             const std::function<double()>& other) {
  std::vector<double> a, b;
  ours(), other();  // warm
  for (int i = 0; i < kRepeats; ++i) {
    a.push_back(ours());
    b.push_back(other());
  }
  const double mine = Median(a), floor = Median(b);
  std::printf(
      "{\"name\": \"%s\", \"better\": \"higher\", \"what\": \"%s\", \"ratio\": %.4f, \"goal\": %.4f, \"ours\": %.4f, "
      "\"other\": %.4f, "
      "\"unit\": "
      "\"ms\", \"repeats\": %d}\n",
      name, what, floor / mine, goal, mine, floor, kRepeats);
}

// In device memory.
struct Matrix {
  explicit Matrix(int64_t row_count)
      : rows(static_cast<uint32_t>(row_count)),
        weights(AllocateDevice(bytes())),
        dense(AllocateDevice(bytes())),
        scales(AllocateDevice(bytes() / kGroupSize)),
        packed(AllocateDevice(bytes() / 4)) {}

  size_t bytes() const { return size_t{rows} * kCols * 2; }
  WeightBlock block() const {
    return {weights.get(), WeightType::kBF16, kCols, kCols / kGroupSize, rows * (kCols / kGroupSize), 0};
  }
  DenseBlock decoded() const { return {dense.get(), WeightType::kBF16, rows, kCols, kCols / kGroupSize, 0}; }
  Int4Arrays encoded() const { return {reinterpret_cast<uint16_t*>(scales.get()), packed.get()}; }

  uint32_t rows;
  DeviceMemory weights, dense, scales, packed;
};

class GpuBench {
 public:
  GpuBench(int multiprocessors, const std::vector<uint16_t>& weights)
      : host_(weights), rows_(static_cast<int64_t>(weights.size()) / kCols), timer_(stream_.get()) {
    launch_ = {stream_.get(), 8 * static_cast<unsigned>(multiprocessors)};
    CheckCuda(cudaMemsetAsync(report_.get(), 0, 1024, stream_.get()), "cudaMemsetAsync");
    auto* words = reinterpret_cast<unsigned long long*>(report_.get());
    kernel_report_ = {words, words + 1};
    for (size_t i = 0; i < kMatrices; ++i) {
      const Matrix& matrix = matrices_.emplace_back(rows_);
      CheckCuda(
          cudaMemcpyAsync(matrix.weights.get(), weights.data(), matrix.bytes(), cudaMemcpyHostToDevice, stream_.get()),
          "copying");
      CheckCuda(LaunchInt4Encode(launch_, matrix.block(), kGroupSize, matrix.encoded(), kernel_report_), "encode");
    }
  }

  // 0.45: of the read bandwidth on an L4, performance.md §6; a copy reads and writes, hence twice the bytes.
  void Resident() {
    const PublishedRequest five{.int4 = true, .int2 = true, .corrections = {{4, 8, 0}}};
    Compare(
        "B5", "search, published five, in device memory", 0.9,
        [&] {
          const WeightBlock block = Next().block();
          return timer_.Time(
              [&] { CheckCuda(LaunchPublishedSearch(launch_, block, kGroupSize, five, kernel_report_), "search"); });
        },
        [&] { return Copy(Bytes()); });
  }

  void Decode() {
    // Read 4.125 bits and write 16 a weight; a copy moves every byte twice.
    const auto moved = static_cast<size_t>(static_cast<double>(Bytes()) * (16 + 4.125) / 16 / 2);
    Compare(
        "B9", "decode groupwise_int4 to bfloat16", 0.7,
        [&] {
          const Matrix& matrix = Next();
          return timer_.Time([&] {
            CheckCuda(LaunchInt4Decode(launch_, matrix.decoded(), kGroupSize, matrix.encoded(), kernel_report_),
                      "decode");
          });
        },
        [&] { return Copy(moved); });
  }

  // The whole path as a worker takes it, against the copies alone.
  void FromHost(ModuleDevice* device) {
    const PinnedMemory pinned = AllocatePinned(kSlotBytes);
    const MatrixView view{host_.data(), DType::kBF16, rows_, kCols};
    Compare(
        "B7", "search, published five, from host memory", 1 / 1.15,
        [&] {
          MatrixRows rows(view, AvailableThreads());
          SearchCall call;
          call.matrix = {&rows, WeightType::kBF16, rows_, kCols, kGroupSize};
          call.int4 = call.int2 = true;
          call.corrections = {{4, 8, 0}};
          return timer_.Time([&] { device->Search(&call); });
        },
        [&] {
          return timer_.Time([&] {
            for (size_t done = 0; done < Bytes(); done += kSlotBytes)
              CheckCuda(cudaMemcpyAsync(matrices_[0].weights.get() + done, pinned.get(),
                                        std::min(kSlotBytes, Bytes() - done), cudaMemcpyHostToDevice, stream_.get()),
                        "copying");
          });
        });
  }

 private:
  const Matrix& Next() { return matrices_[turn_++ % kMatrices]; }
  size_t Bytes() const { return matrices_.front().bytes(); }

  double Copy(size_t bytes) {
    const Matrix& matrix = Next();
    return timer_.Time([&] {
      CheckCuda(
          cudaMemcpyAsync(matrix.dense.get(), matrix.weights.get(), bytes, cudaMemcpyDeviceToDevice, stream_.get()),
          "copying");
    });
  }

  const std::vector<uint16_t>& host_;
  const int64_t rows_;
  Stream stream_;
  Timer timer_;
  Launch launch_;
  KernelReport kernel_report_;
  DeviceMemory report_ = AllocateDevice(1024);
  std::vector<Matrix> matrices_;
  size_t turn_ = 0;
};

int Main(int64_t rows) {
  int32_t count = 0;
  const ModuleResult counted = CountCudaDevices(&count);
  if (counted.code != ModuleCode::kDone || count == 0) {
    std::fprintf(stderr, "no device: %s\n", counted.code == ModuleCode::kDone ? "none is visible" : counted.text);
    return 3;
  }
  ModuleDevice* device = nullptr;
  if (const ModuleResult opened = OpenCudaDevice(0, kSlotBytes, &device); opened.code != ModuleCode::kDone) {
    std::fprintf(stderr, "no device: %s\n", opened.text);
    return 3;
  }
  try {
    std::fprintf(stderr, "device: %s\n", device->facts().name);
    const std::vector<uint16_t> weights = RandomWeights(rows);
    GpuBench bench(device->facts().multiprocessors, weights);
    bench.Resident();
    bench.FromHost(device);
    bench.Decode();
  } catch (const CudaFailure& failure) {
    std::fprintf(stderr, "%s: %s\n", failure.what, cudaGetErrorName(failure.error));
    return 1;
  }
  device->Close();
  return 0;
}

}  // namespace
}  // namespace sub1quant

// gpu_bench [ROWS]: of a matrix of 1536 columns.
int main(int argc, char** argv) { return sub1quant::Main(argc > 1 ? std::atoll(argv[1]) : 12288); }
