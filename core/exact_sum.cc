#include "core/exact_sum.h"

#include <cmath>

#include "core/check.h"

namespace sub1quant {
namespace {
constexpr int kFractionBits = 60;
using UInt128 = unsigned __int128;
}  // namespace

void ExactSum::AddLarge(double term) {
  SUB1QUANT_CHECK(std::isfinite(term) && std::fabs(term) < 9.223372036854775808e18);
  // m * 2^e with |m| < 2^53 and, as |term| >= 4, e >= -50: an integer on the grid.
  int exponent = 0;
  const double fraction = std::frexp(term, &exponent);
  const auto mantissa = static_cast<Int128>(std::ldexp(fraction, 53));
  units_ += static_cast<Int128>(static_cast<UInt128>(mantissa) << (exponent - 53 + kFractionBits));
}

double ExactSum::ToDouble() const {
  const bool negative = units_ < 0;
  const UInt128 magnitude = negative ? -static_cast<UInt128>(units_) : static_cast<UInt128>(units_);
  int bits = 0;
  for (UInt128 rest = magnitude; rest != 0; rest >>= 1) ++bits;
  UInt128 kept = magnitude;
  int dropped = 0;
  if (bits > 53) {
    dropped = bits - 53;
    const UInt128 half = UInt128{1} << (dropped - 1);
    const UInt128 rest = magnitude & ((UInt128{1} << dropped) - 1);
    kept = magnitude >> dropped;
    if (rest > half || (rest == half && (kept & 1))) ++kept;
  }
  const double value = std::ldexp(static_cast<double>(static_cast<uint64_t>(kept)), dropped - kFractionBits);
  return negative ? -value : value;
}

std::string ExactSum::ToHex() const {
  std::string hex = "0x";
  for (int shift = 124; shift >= 0; shift -= 4)
    hex += "0123456789abcdef"[static_cast<unsigned>(static_cast<UInt128>(units_) >> shift) & 15];
  return hex;
}

absl::StatusOr<ExactSum> ExactSum::FromHex(const std::string& hex) {
  if (hex.size() != 34 || hex.compare(0, 2, "0x") != 0)
    return absl::InvalidArgumentError("exact sum '" + hex + "' is not 0x and 32 hexadecimal digits");
  UInt128 units = 0;
  for (size_t i = 2; i < hex.size(); ++i) {
    const char c = hex[i];
    int digit = -1;
    if (c >= '0' && c <= '9') digit = c - '0';
    if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
    if (digit < 0) return absl::InvalidArgumentError("exact sum '" + hex + "' has a digit outside 0-9a-f");
    units = (units << 4) | static_cast<UInt128>(digit);
  }
  ExactSum sum;
  sum.units_ = static_cast<Int128>(units);
  return sum;
}

ExactSum ExactSum::FromParts(int64_t high, uint64_t low) {
  ExactSum sum;
  sum.units_ = static_cast<Int128>((static_cast<UInt128>(static_cast<uint64_t>(high)) << 64) | low);
  return sum;
}

}  // namespace sub1quant
