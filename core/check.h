// CHECK is for what we did wrong: it ends the process and names the place. What the world does wrong is an
// absl::Status.
#pragma once

namespace sub1quant {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);
}  // namespace sub1quant

#define SUB1QUANT_CHECK(condition)                                              \
  do {                                                                          \
    if (!(condition)) ::sub1quant::CheckFailed(__FILE__, __LINE__, #condition); \
  } while (false)
