// Exact, order-independent summation (docs/formats.md §7): every term is rounded once to a grid of 2^-60 and added as a
// 128-bit integer. Any split over threads, workers or devices gives identical bits.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace sub1quant {

class ExactSum {
 public:
  using Int128 = __int128;

  ExactSum() = default;

  // Adds rne(term * 2^60). `term` is finite and |term| < 2^63.
  void Add(double term) {
    // Scaling by a power of two is exact; what then fits 64 bits is rounded by one instruction.
    const double scaled = term * 0x1p60;
    if (std::fabs(scaled) < 0x1p62)
      units_ += static_cast<Int128>(std::llrint(scaled));
    else
      AddLarge(term);
  }
  void Add(const ExactSum& other) { units_ += other.units_; }

  // The double nearest to the sum (ties to even).
  double ToDouble() const;

  // The integer in units of 2^-60: "0x" and 32 hexadecimal digits, two's complement; the spelling of `sse_2e60`.
  std::string ToHex() const;
  static absl::StatusOr<ExactSum> FromHex(const std::string& hex);

  // High and low half of the two's complement integer, for the wire.
  int64_t high() const { return static_cast<int64_t>(units_ >> 64); }
  uint64_t low() const { return static_cast<uint64_t>(units_); }
  static ExactSum FromParts(int64_t high, uint64_t low);

  friend bool operator==(const ExactSum& a, const ExactSum& b) { return a.units_ == b.units_; }

 private:
  void AddLarge(double term);

  Int128 units_ = 0;
};

}  // namespace sub1quant
