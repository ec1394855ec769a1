// Searches and encodes matrices for a worker: on a device whose kernels have proven themselves, on the CPU otherwise
// and for everything that no trusted kernel does. The results are the same bytes and sums.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/codec/codec.h"
#include "quant/device/device.h"
#include "quant/device/prove_kernels.h"
#include "quant/search/search.h"

namespace sub1quant {

// Thread-safe.
class MatrixCoder {
 public:
  virtual ~MatrixCoder() = default;
  // As SearchMatrix; a device keeps no choices, its encoder finds them again.
  virtual absl::StatusOr<std::vector<CandidateRow>> Search(const MatrixView& matrix, int group_size,
                                                           const std::vector<std::string>& methods, int threads,
                                                           std::vector<KeptChoices>* kept = nullptr) = 0;
  // As Codec::Encode.
  virtual absl::StatusOr<EncodedMatrix> Encode(const MatrixView& matrix, const std::string& method,
                                               const EncodeOptions& options) = 0;
};

std::unique_ptr<MatrixCoder> NewCpuCoder();

// What happens to a device while it works.
struct DeviceEvents {
  // A kernel refused a matrix which the CPU then took: it is wrong and not used again.
  std::function<void(const KernelRefusal&)> refused;
  // The device has failed. If this returns, so does the call, with Unavailable.
  std::function<void(const std::string& why)> lost;
};
std::unique_ptr<MatrixCoder> NewDeviceCoder(std::unique_ptr<KernelDevice> device, KernelTrust trust,
                                            DeviceEvents events);

}  // namespace sub1quant
