// A device that quantizes: the host's side of the device module. Loads the module, turns its plain results into
// Status, and names arrays as the codecs do.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/codec/codec.h"
#include "quant/device/module.h"
#include "quant/search/search.h"

namespace sub1quant {

// False if there is no kernel for the method (int2_error_budget_k9 and above, other families).
bool ToKernelMethod(const std::string& method, KernelMethod* kernel);

// Used from one thread at a time. Errors:
//   Unimplemented      this matrix or method is not for the device; use the CPU
//   OutOfRange         a group cannot be encoded or decoded; the CPU code says which and why
//   Unavailable        the device is lost, as IsDeviceLost: nothing more can be had from it in this process
//   Aborted            the matrix could not be read; the CPU code reads again and says why (the reader's own error
//   could
//                      look like one of these)
class KernelDevice {
 public:
  virtual ~KernelDevice() = default;
  virtual DeviceFacts facts() const = 0;
  // As SearchMatrix; `threads` read the matrix. Every method has a kernel (ToKernelMethod), at most three different K.
  virtual absl::StatusOr<std::vector<CandidateRow>> Search(const MatrixView& matrix, int group_size,
                                                           const std::vector<std::string>& methods,
                                                           int threads = 1) = 0;
  // As Codec::Encode.
  virtual absl::StatusOr<EncodedMatrix> Encode(const MatrixView& matrix, const std::string& method,
                                               const EncodeOptions& options) = 0;
  // All rows to [rows, cols] of `type`: F32, or BF16 rounded to nearest even.
  virtual absl::Status Decode(const EncodedMatrix& encoded, DType type, void* out) = 0;
  // The kernels of scoring, for memory that the caller has on this device; unlike the rest, for any thread.
  virtual const ScoreLaunches& score() const = 0;
};

bool IsDeviceLost(const absl::Status& status);
// The device refuses a group, and the CPU code has to say why.
bool IsRefusedGroup(const absl::Status& status);

// Size of each of a device's eight buffers (docs/performance.md: copies of 16 MiB reach the bus' rate).
constexpr uint64_t kDeviceSlotBytes = uint64_t{16} << 20;

// A loaded module; never unloaded. NotFound naming the path if there is none, FailedPrecondition if it is of another
// build.
class DeviceLibrary {
 public:
  static absl::StatusOr<DeviceLibrary> Load(const std::string& path);
  // FailedPrecondition with the driver's word where there is no driver or no device.
  absl::StatusOr<int> CountDevices() const;
  absl::StatusOr<std::unique_ptr<KernelDevice>> Open(int index, uint64_t slot_bytes = kDeviceSlotBytes) const;

 private:
  explicit DeviceLibrary(const DeviceModule* module) : module_(module) {}
  const DeviceModule* module_;
};

}  // namespace sub1quant
