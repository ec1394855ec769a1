#include "quant/device/cuda/cuda_device.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "quant/codec/int2_group/int2_cuda.h"
#include "quant/codec/int4_group/int4_cuda.h"
#include "quant/codec/integer_group/integer_cuda.h"
#include "quant/device/cuda/handles.h"
#include "quant/device/cuda/row_pipeline.h"
#include "quant/device/cuda/score_launches.h"
#include "quant/device/kernel_arrays.h"
#include "quant/search/cuda/published_search.h"

namespace sub1quant {
namespace {

// Blocks of 128 threads, as many as keep a multiprocessor busy. Kernels of 128 registers have room for four at a time:
// the other four follow them.
constexpr unsigned kBlocksPerMultiprocessor = 8;

ModuleResult Failed(ModuleCode code, const CudaFailure& failure) {
  ModuleResult result;
  result.code = code;
  std::snprintf(result.text, sizeof(result.text), "%s: %s (%s)", failure.what, cudaGetErrorName(failure.error),
                cudaGetErrorString(failure.error));
  return result;
}

// Where CUDA errors end. Everything was allocated when the device was opened, so whatever fails later is the device
// itself, or work that has destroyed its context: both are for good.
template <typename Body>
ModuleResult Guarded(ModuleCode code_of_failure, const Body& body) {
  try {
    return body();
  } catch (const CudaFailure& failure) {
    return Failed(code_of_failure, failure);
  }
}

struct Shape {
  int64_t rows, cols, groups_per_row, padded_cols;
};

Shape ShapeOf(int64_t rows, int64_t cols, int64_t group_size) {
  const int64_t groups = (cols + group_size - 1) / group_size;
  return {rows, cols, groups, groups * group_size};
}

int64_t BitsOf(WeightType type) { return type == WeightType::kF32 ? 32 : 16; }

// True if sizes derived from the matrix stay far from overflow.
bool IsSane(int64_t rows, int64_t cols, int64_t group_size) {
  const bool known_size = group_size == 32 || group_size == 64 || group_size == 128 || group_size == 256;
  return known_size && rows > 0 && cols > 0 && cols < (int64_t{1} << 40) && rows < (int64_t{1} << 56) / (cols + 256);
}

WeightBlock WeightsOf(const RowBlock& block, const HostMatrix& matrix, const Shape& shape) {
  WeightBlock weights;
  weights.data = block.in[0];
  weights.type = matrix.type;
  weights.cols = static_cast<uint32_t>(shape.cols);
  weights.groups_per_row = static_cast<uint32_t>(shape.groups_per_row);
  weights.groups = static_cast<uint32_t>(block.rows * shape.groups_per_row);
  weights.first_group = static_cast<uint64_t>(block.first_row * shape.groups_per_row);
  return weights;
}

uint16_t* Scales(uint8_t* array) { return reinterpret_cast<uint16_t*>(array); }

Int4Arrays Int4Places(const std::vector<uint8_t*>& arrays) { return {Scales(arrays[0]), arrays[1]}; }

IntegerArrays IntegerPlaces(const std::vector<uint8_t*>& arrays) { return {Scales(arrays[0]), arrays[1]}; }

// Arrays that a format does not have are null.
Int2Arrays Int2Places(std::vector<uint8_t*> arrays) {
  arrays.resize(kMaxKernelArrays, nullptr);
  return {arrays[0], Scales(arrays[1]), arrays[2], Scales(arrays[3]),
          arrays[4], arrays[5],         arrays[6], Scales(arrays[7])};
}

class CudaDevice final : public ModuleDevice {
 public:
  CudaDevice(int index, const DeviceFacts& facts, size_t slot_bytes)
      : index_(index), facts_(facts), score_(index, MaxBlocks()), pipeline_(slot_bytes) {}

  void Close() override { delete this; }
  DeviceFacts facts() const override { return facts_; }

  ModuleResult Search(SearchCall* call) override {
    return Guarded(ModuleCode::kLost, [&] { return RunSearch(call); });
  }
  ModuleResult Encode(EncodeCall* call) override {
    return Guarded(ModuleCode::kLost, [&] { return RunEncode(call); });
  }
  ModuleResult Decode(const DecodeCall& call) override {
    return Guarded(ModuleCode::kLost, [&] { return RunDecode(call); });
  }
  const ScoreLaunches& score() const override { return score_; }

 private:
  ~CudaDevice() = default;

  unsigned MaxBlocks() const { return kBlocksPerMultiprocessor * static_cast<unsigned>(facts_.multiprocessors); }
  Launch LaunchIn(cudaStream_t stream) const { return {stream, MaxBlocks()}; }

  // Streams `matrix` through start(weights, block), then gives what the kernels reported.
  template <typename Start>
  ModuleResult RunWeights(const HostMatrix& matrix, const std::vector<RowsOut>& out, RunReport* report,
                          const Start& start) {
    if (!IsSane(matrix.rows, matrix.cols, matrix.group_size)) return {ModuleCode::kTooLarge};
    const Shape shape = ShapeOf(matrix.rows, matrix.cols, matrix.group_size);
    const std::vector<RowsIn> in = {{nullptr, matrix.cols * BitsOf(matrix.type), matrix.source}};
    const int64_t rows = pipeline_.RowsPerBlock(matrix.rows, shape.padded_cols, in, out);
    if (rows == 0) return {ModuleCode::kTooLarge};
    CheckCuda(cudaSetDevice(index_), "cudaSetDevice");
    const std::optional<RunReport> done = pipeline_.Run(matrix.rows, rows, in, out, [&](const RowBlock& block) {
      CheckCuda(start(WeightsOf(block, matrix, shape), block), "starting a kernel");
    });
    if (!done) return {ModuleCode::kNoRows};
    *report = *done;
    if (report->first_bad != kNoBadGroup) return {ModuleCode::kBadGroup, report->first_bad};
    return {};
  }

  static KernelReport ReportAt(const RowBlock& block, int sum) {
    return {block.report.first_bad, block.report.limbs + sum * kLimbs};
  }

  // All kernels of a search read the same block.
  cudaError_t StartSearch(const SearchCall& call, const WeightBlock& weights, const RowBlock& block) const {
    const Launch launch = LaunchIn(block.stream);
    const int group_size = call.matrix.group_size;
    cudaError_t error = cudaSuccess;
    if (call.int4 || call.int2)
      error = LaunchPublishedSearch(launch, weights, group_size, {call.int4, call.int2, call.corrections},
                                    ReportAt(block, kSumsOfPublished));
    for (int i = 0; i < kMaxKernelWidths && error == cudaSuccess; ++i)
      if (call.widths[i] != 0)
        error = LaunchIntegerSearch(launch, weights, group_size, call.widths[i], ReportAt(block, kSumsOfWidths + i));
    return error;
  }

  ModuleResult RunSearch(SearchCall* call) {
    RunReport report;
    const ModuleResult result = RunWeights(
        call->matrix, {}, &report,
        [&](const WeightBlock& weights, const RowBlock& block) { return StartSearch(*call, weights, block); });
    std::memcpy(call->sums, report.limbs, sizeof(call->sums));
    return result;
  }

  cudaError_t StartEncode(const EncodeCall& call, const WeightBlock& weights, const RowBlock& block) const {
    const Launch launch = LaunchIn(block.stream);
    const int group_size = call.matrix.group_size;
    switch (call.method.format) {
      case KernelFormat::kInt4:
        return LaunchInt4Encode(launch, weights, group_size, Int4Places(block.out), block.report);
      case KernelFormat::kInteger:
        return LaunchIntegerEncode(launch, weights, group_size, call.method.parameter, IntegerPlaces(block.out),
                                   block.report);
      case KernelFormat::kInt2Corrected:
        return LaunchInt2CorrectedEncode(launch, weights, group_size, call.method.parameter, Int2Places(block.out),
                                         block.report);
      default:
        return LaunchInt2BinaryEncode(launch, weights, group_size, Int2Places(block.out), block.report);
    }
  }

  ModuleResult RunEncode(EncodeCall* call) {
    const Shape shape = ShapeOf(1, call->matrix.cols, std::max(1, call->matrix.group_size));
    const KernelArrayBits arrays = BitsPerGroup(call->method, call->matrix.group_size);
    std::vector<RowsOut> out;
    for (int i = 0; i < arrays.count; ++i) out.push_back({call->arrays[i], arrays.bits[i] * shape.groups_per_row});
    RunReport report;
    const ModuleResult result = RunWeights(
        call->matrix, out, &report,
        [&](const WeightBlock& weights, const RowBlock& block) { return StartEncode(*call, weights, block); });
    // The INT2 kernel without corrections reports int2_base and int2_binary_residual.
    const int place = call->method.format == KernelFormat::kInt2Binary ? 1 : 0;
    std::memcpy(call->sum, report.limbs[place], sizeof(call->sum));
    return result;
  }

  cudaError_t StartDecodeOf(const DecodeCall& call, const DenseBlock& dense, const RowBlock& block) const {
    const Launch launch = LaunchIn(block.stream);
    if (call.method.format == KernelFormat::kInt4)
      return LaunchInt4Decode(launch, dense, call.group_size, Int4Places(block.in), block.report);
    if (call.method.format == KernelFormat::kInteger)
      return LaunchIntegerDecode(launch, dense, call.group_size, call.method.parameter, IntegerPlaces(block.in),
                                 block.report);
    return LaunchInt2Decode(launch, dense, call.group_size, call.method.parameter, Int2Places(block.in), block.report);
  }

  ModuleResult RunDecode(const DecodeCall& call) {
    if (!IsSane(call.rows, call.cols, call.group_size)) return {ModuleCode::kTooLarge};
    const Shape shape = ShapeOf(call.rows, call.cols, call.group_size);
    const KernelArrayBits arrays = BitsPerGroup(call.method, call.group_size);
    std::vector<RowsIn> in;
    for (int i = 0; i < arrays.required; ++i) in.push_back({call.arrays[i], arrays.bits[i] * shape.groups_per_row});
    const std::vector<RowsOut> out = {{call.out, call.cols * BitsOf(call.out_type)}};
    const int64_t rows = pipeline_.RowsPerBlock(call.rows, shape.padded_cols, in, out);
    if (rows == 0) return {ModuleCode::kTooLarge};
    CheckCuda(cudaSetDevice(index_), "cudaSetDevice");
    const std::optional<RunReport> done = pipeline_.Run(call.rows, rows, in, out, [&](const RowBlock& block) {
      DenseBlock dense;
      dense.data = block.out[0];
      dense.type = call.out_type;
      dense.rows = static_cast<uint32_t>(block.rows);
      dense.cols = static_cast<uint32_t>(shape.cols);
      dense.groups_per_row = static_cast<uint32_t>(shape.groups_per_row);
      dense.first_group = static_cast<uint64_t>(block.first_row * shape.groups_per_row);
      CheckCuda(StartDecodeOf(call, dense, block), "starting a kernel");
    });
    if (done->first_bad != kNoBadGroup) return {ModuleCode::kBadGroup, done->first_bad};
    return {};
  }

  int index_;
  DeviceFacts facts_;
  CudaScoreLaunches score_;
  RowPipeline pipeline_;
};

}  // namespace

ModuleResult CountCudaDevices(int32_t* count) {
  *count = 0;
  return Guarded(ModuleCode::kNoDevice, [&]() -> ModuleResult {
    int found = 0;
    CheckCuda(cudaGetDeviceCount(&found), "cudaGetDeviceCount");
    *count = found;
    return {};
  });
}

ModuleResult OpenCudaDevice(int32_t index, uint64_t slot_bytes, ModuleDevice** device) {
  return Guarded(ModuleCode::kNoDevice, [&]() -> ModuleResult {
    CheckCuda(cudaSetDevice(index), "cudaSetDevice");
    cudaDeviceProp properties{};
    CheckCuda(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
    DeviceFacts facts;
    std::snprintf(facts.name, sizeof(facts.name), "%s", properties.name);
    facts.major = properties.major;
    facts.minor = properties.minor;
    facts.multiprocessors = properties.multiProcessorCount;
    facts.memory_bytes = properties.totalGlobalMem;
    *device = new CudaDevice(index, facts, slot_bytes);
    return {};
  });
}

}  // namespace sub1quant
