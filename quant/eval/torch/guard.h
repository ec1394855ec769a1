// The one place where exceptions (LibTorch's, allocation failures) become a status.
#pragma once

#include <utility>

#include "absl/status/status.h"

namespace sub1quant {

// Call inside a catch block only. Out of memory → ResourceExhausted, anything else → Internal with the first line of
// what().
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
