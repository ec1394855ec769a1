// The self-proof of a device: before a worker trusts a kernel, it must give what the CPU's scalar code gives, bit for
// bit, on inputs that hunt for mistakes. A miscompiled kernel, an unknown architecture or a failing card is then found
// at start and not in a checkpoint.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/device/device.h"

namespace sub1quant {

struct KernelRefusal {
  std::string operation;  // search, encode, decode
  std::string method;     // groupwise_int4, …
  std::string why;        // the first difference: input, and what differs
};

// Methods whose kernels are trusted, by operation.
struct KernelTrust {
  std::set<std::string> search, encode, decode;
  std::vector<KernelRefusal> refused;
};

// The methods that have kernels and are proven at start: the published five and the integer family.
std::vector<std::string> ProvenMethods();

// Every kernel of `methods` against the CPU: all input types, all group sizes, padding, unaligned rows, refusals. Takes
// about a second of CPU time. Unavailable (IsDeviceLost) if the device fails on the way.
absl::StatusOr<KernelTrust> ProveKernels(KernelDevice& device, const std::vector<std::string>& methods);

}  // namespace sub1quant
