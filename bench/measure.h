// What every benchmark measures with.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "core/check.h"

namespace sub1quant {

struct Spent {
  double seconds = 0;
  double processor_seconds = 0;  // of all threads of this process, user and system
};

inline Spent Measure(const std::function<void()>& body) {
  const auto processor = [] {
    rusage usage{};
    SUB1QUANT_CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  };
  const double before = processor();
  const auto start = std::chrono::steady_clock::now();
  body();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), processor() - before};
}

// Of an even number the mean of the middle two.
inline double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

// VmHWM: the largest resident size of this process so far.
inline double PeakGibibytes() {
  std::ifstream status("/proc/self/status");
  std::string key;
  for (std::string line; std::getline(status, line);) {
    double kib = 0;
    if (std::istringstream(line) >> key >> kib && key == "VmHWM:") return kib / (1 << 20);
  }
  return 0;
}

}  // namespace sub1quant
