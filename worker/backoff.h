// Growing, jittered waits: 0.2, 0.4, … up to 5 s, each times a random factor in [0.5, 1), so that a fleet does not
// return as one.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace sub1quant {

class Backoff {
 public:
  explicit Backoff(uint64_t seed) : random_(seed) {}

  std::chrono::milliseconds Next() {
    const double full = std::min(5'000.0, 200.0 * static_cast<double>(1u << std::min(failures_, 10)));
    ++failures_;
    return std::chrono::milliseconds(static_cast<int64_t>(full * std::uniform_real_distribution<>(0.5, 1.0)(random_)));
  }
  void Reset() { failures_ = 0; }

 private:
  std::mt19937_64 random_;
  int failures_ = 0;
};

}  // namespace sub1quant
