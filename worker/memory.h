// How much memory this process may take.
#pragma once

#include <cstdint>
#include <string>

namespace sub1quant {

// The least of MemAvailable and the limits of this process's memory control groups (versions 1 and 2, up to the root of
// the hierarchy); 0 if none can be read. `root` is prepended to /proc and /sys. What others take within the same group
// is not known here.
uint64_t AvailableMemory(const std::string& root = "");

}  // namespace sub1quant
