// The one place where exceptions (LibTorch's, ours of a device, allocation failures) become a status.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace sub1quant {

// A kernel of the device module did not start.
class DeviceFailure : public std::runtime_error {
 public:
  DeviceFailure(const std::string& kernel, const std::string& error)
      : std::runtime_error("kernel '" + kernel + "' did not start: " + error) {}
};

// Call inside a catch block only. Out of memory → ResourceExhausted; a device that failed → as IsScoringDeviceLost;
// anything else → Internal with the first line of what().
absl::Status CurrentExceptionToStatus();

// f() → absl::Status or absl::StatusOr<T>.
template <typename F>
auto GuardTorch(F&& f) -> decltype(std::forward<F>(f)()) {
  try {
    return std::forward<F>(f)();
  } catch (...) {
    return CurrentExceptionToStatus();
  }
}

}  // namespace sub1quant
