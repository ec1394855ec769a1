// The door of the device module: a library of its own that a worker opens with dlopen, so that one worker binary serves
// nodes with and without a GPU and no CUDA library is loaded where none is asked for. Only plain data and virtual calls
// cross it; both sides are built from one tree, and the number below refuses a module of another build.
//
// A module exports `Sub1quantDeviceModule` (DeviceModuleEntry).
#pragma once

#include <cstdint>

#include "quant/codec/kernel_types.h"
#include "quant/eval/score_launches.h"

namespace sub1quant {

constexpr uint32_t kDeviceModuleAbi = 4;
constexpr char kDeviceModuleSymbol[] = "Sub1quantDeviceModule";

// Do not renumber.
enum class KernelFormat : int32_t { kInt4 = 0, kInt2Base = 1, kInt2Binary = 2, kInt2Corrected = 3, kInteger = 4 };

// A format; `parameter` is K of kInt2Corrected, B of kInteger, else 0.
struct KernelMethod {
  KernelFormat format = KernelFormat::kInt4;
  int32_t parameter = 0;
};

constexpr int kMaxKernelArrays = 8;  // of an encoded matrix
constexpr int kMaxKernelWidths = 6;  // of the integer family
constexpr int kMaxKernelSums = 12;   // of one search
// K of int2_error_budget_k{K}: the kernels keep the largest eight corrections of a group in registers.
constexpr int kMaxKernelCorrections = 8;

enum class ModuleCode : int32_t {
  kDone = 0,
  kBadGroup = 1,  // `group` cannot be encoded or decoded; the arrays and sums are worthless
  kTooLarge = 2,  // a row does not fit the buffers, or sizes overflow: nothing was done
  kNoDevice = 3,  // of OpenDevice: there is none with this number, or not enough memory on it
  kLost = 4,      // the device failed: nothing more can be had from it in this process
  kNoRows = 5,    // HostRows gave none; the caller knows why
};

struct ModuleResult {
  ModuleCode code = ModuleCode::kDone;
  uint64_t group = 0;
  char text[240] = {};  // for people, of kNoDevice and kLost
};

struct DeviceFacts {
  char name[256] = {};
  int32_t major = 0, minor = 0;  // compute capability
  int32_t multiprocessors = 0;
  uint64_t memory_bytes = 0;
};

// The rows of a matrix on the host, asked for as soon as there is room for them.
class HostRows {
 public:
  // Rows [first, first + count), row-major, contiguous, to `out`, a pinned buffer. False: they cannot be had.
  virtual bool Read(int64_t first, int64_t count, void* out) = 0;

 protected:
  ~HostRows() = default;
};

// A matrix on the host. Not owned.
struct HostMatrix {
  HostRows* source = nullptr;
  WeightType type = WeightType::kBF16;
  int64_t rows = 0, cols = 0;
  int32_t group_size = 128;
};

// Exact sums of formats over a matrix, in one pass over its bytes.
struct SearchCall {
  HostMatrix matrix;
  bool int4 = false;  // groupwise_int4
  bool int2 = false;  // int2_base, int2_binary_residual and `corrections`
  SearchedCorrections corrections;
  int32_t widths[kMaxKernelWidths] = {};  // B of the integer family, 0 where there is none
  // Out, at the places below; the others are 0. Limbs of 32 bits in 64, low first.
  uint64_t sums[kMaxKernelSums][kLimbs] = {};
};
constexpr int kSumsOfPublished = 0;  // groupwise_int4, int2_base, int2_binary_residual, then `corrections`
constexpr int kSumsOfWidths = 6;     // as `widths`

// Arrays in the order of the codec's own (KernelArrayBits), in host memory.
struct EncodeCall {
  HostMatrix matrix;
  KernelMethod method;
  void* arrays[kMaxKernelArrays] = {};  // kInt2Base: the two ignored ones follow, or are null
  uint64_t sum[kLimbs] = {};            // out
};

struct DecodeCall {
  KernelMethod method;
  int64_t rows = 0, cols = 0;  // of the matrix
  int32_t group_size = 128;
  const void* arrays[kMaxKernelArrays] = {};
  WeightType out_type = WeightType::kF32;  // kF32, or kBF16 rounded to nearest even
  void* out = nullptr;                     // [rows, cols]
};

// One device. Used from one thread at a time. Calls return when the results are in host memory.
class ModuleDevice {
 public:
  virtual void Close() = 0;  // frees everything, also this object
  virtual DeviceFacts facts() const = 0;
  virtual ModuleResult Search(SearchCall* call) = 0;
  virtual ModuleResult Encode(EncodeCall* call) = 0;
  virtual ModuleResult Decode(const DecodeCall& call) = 0;
  // For memory that the caller has on this device, from any thread, until Close.
  virtual const ScoreLaunches& score() const = 0;

 protected:
  ~ModuleDevice() = default;
};

struct DeviceModule {
  uint32_t abi = kDeviceModuleAbi;
  // Number of devices; kNoDevice and a text where there is no driver.
  ModuleResult (*count_devices)(int32_t* count) = nullptr;
  // `slot_bytes`: size of each of the buffers (two slots, input and output, pinned and on the device): all memory that
  // the device will ever use.
  ModuleResult (*open_device)(int32_t index, uint64_t slot_bytes, ModuleDevice** device) = nullptr;
};

using DeviceModuleEntry = const DeviceModule* (*)();

}  // namespace sub1quant
