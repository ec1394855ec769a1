// What a kernel of scoring may give: the values between two bounds, from the formulas in float64. A bound moves apart
// where the kernel's float32 may err, by as much as its operations can, and is rounded where the model rounds: rounding
// keeps order, so a result of the right operations cannot lie outside. Most intervals of bfloat16 hold one value.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "quant/eval/kernel_values.h"

namespace sub1quant::testing {

constexpr double kUnit = 0x1p-24;   // relative error of one float32 operation
constexpr double kTiny = 0x1p-148;  // absolute, of those among subnormals
constexpr double kLibrary = 5;      // units: exp and tanh, two in the last place beside the rounded value

// Additions that a term of a sum over `width` can be in: those of its thread (128 in a block), five over the lanes and
// three over the warps.
inline double AdditionsOf(int64_t width) {
  const int64_t of_thread = (width + 127) / 128;
  return static_cast<double>(of_thread + 8);
}

inline double Value(float x) { return x; }
inline double Value(Bfloat16 x) {
  const uint32_t bits = uint32_t{x.bits} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// To nearest even, of finite values; not by bits, as the kernels do. Not inline: GCC 12.2 at -O2 (its SLP
// vectorizer) drops the conversion to float32 and back where it makes it for both ends of an interval at once.
template <typename T>
[[gnu::noinline]] double RoundedTo(double x) {
  const double value = static_cast<float>(x);
  if (sizeof(T) == sizeof(float) || value == 0 || std::isinf(value)) return value;
  const double unit = std::ldexp(1.0, std::max(std::ilogb(value), -126) - 7);
  return std::nearbyint(value / unit) * unit;
}

template <typename T>
T Stored(double x) {
  const auto value = static_cast<float>(RoundedTo<T>(x));
  if constexpr (sizeof(T) == sizeof(float)) {
    return value;
  } else {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    return Bfloat16{static_cast<uint16_t>(bits >> 16)};
  }
}

struct Interval {
  double low, high;

  static Interval Around(double x, double units, double absolute = 0) {
    const double error = std::abs(x) * units * kUnit * 1.01 + absolute + kTiny;
    return {x - error, x + error};
  }
  template <typename T>
  Interval Rounded() const {
    return {RoundedTo<T>(low), RoundedTo<T>(high)};
  }
  Interval Plus(double x) const { return {low + x, high + x}; }
  Interval Times(double x) const { return {std::min(low * x, high * x), std::max(low * x, high * x)}; }
  bool Holds(double x) const { return low <= x && x <= high; }
};

// x · (mean(y²) + eps)^(-1/2) · weight of each element of a row, rounded to T.
template <typename T>
std::vector<Interval> RmsNormOf(const T* y, const float* weight, float eps, int64_t width) {
  double squares = 0;
  for (int64_t i = 0; i < width; ++i) squares += Value(y[i]) * Value(y[i]);
  const double inverse = 1 / std::sqrt(squares / static_cast<double>(width) + eps);
  // Squares, sums, the division, eps: the root halves their error. Then root, reciprocal and two products.
  const double units = (AdditionsOf(width) + 2) / 2 + 4;
  std::vector<Interval> out;
  for (int64_t i = 0; i < width; ++i) {
    const double normed = Value(y[i]) * inverse * (weight == nullptr ? 1.0 : weight[i]);
    out.push_back(Interval::Around(normed, units).template Rounded<T>());
  }
  return out;
}

// (x + normed) · factor; the sum is first one of float32.
template <typename T>
Interval AddedNorm(T x, const Interval& normed, float factor) {
  const Interval sum = normed.Plus(Value(x)).template Rounded<float>().template Rounded<T>();
  return sum.Times(factor).template Rounded<float>().template Rounded<T>();
}

template <typename T>
Interval GatedGeluOf(T gate, T up) {
  const double x = Value(gate);
  const double u2 = 2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
  // x · 0.5 · (1 + tanh(u2 / 2)), and how much of exp's error is the result's.
  const double share = 1 / (1 + std::exp(u2)), gelu = x / (1 + std::exp(-u2));
  // Eight operations and constants in u2, which exp makes absolute; then a sum and a division. exp(88.8) is infinite.
  const double units = share * (8 * std::abs(u2) + kLibrary) + 2;
  const double lost = u2 < -88 ? std::abs(x) * std::exp(-88.0) : 0;
  if (!std::isfinite(units)) return Interval{-lost, lost}.Rounded<T>().Times(Value(up)).template Rounded<T>();
  const Interval rounded = Interval::Around(gelu, units, lost).template Rounded<T>();
  return rounded.Times(Value(up)).template Rounded<float>().template Rounded<T>();
}

// cap · tanh(logit / cap); cap 0: none.
template <typename T>
Interval CappedLogit(T logit, float cap) {
  const double z = Value(logit);
  if (cap == 0) return {z, z};
  const double quotient = RoundedTo<T>(RoundedTo<float>(z / cap));
  const Interval tanh = Interval::Around(std::tanh(quotient), kLibrary).template Rounded<T>();
  return tanh.Times(cap).template Rounded<float>().template Rounded<T>();
}

inline double LogSumExp(const std::vector<double>& z) {
  const double max = *std::max_element(z.begin(), z.end());
  double sum = 0;
  for (const double value : z) sum += std::exp(value - max);
  return max + std::log(sum);
}

// -ln p of `label`, of logits folded in so many tiles, none wider than `widest`.
template <typename T>
Interval LossOf(const T* logits, int64_t count, int64_t label, float cap, int64_t tiles, int64_t widest) {
  std::vector<double> low, high;
  for (int64_t i = 0; i < count; ++i) {
    const Interval z = CappedLogit(logits[i], cap);
    low.push_back(z.low);
    high.push_back(z.high);
  }
  const double log_sum = LogSumExp(high), max = *std::max_element(high.begin(), high.end());
  // A term e^-d errs by d units, as d is rounded: d·e^-d / Σ e^-d in the sum.
  double distance = 0;
  for (const double z : high)
    if (std::isfinite(z)) distance += (max - z) * std::exp(z - log_sum);
  // Each tile: the maximum may change, exp of the difference, its product, the sum.
  const double units = AdditionsOf(widest) + kLibrary + distance + static_cast<double>(tiles) * (kLibrary + 3);
  const double error = units * kUnit * 1.01;
  const auto at = static_cast<size_t>(label);
  return Interval{LogSumExp(low) - high[at] - error, log_sum - low[at] + error}.Rounded<float>();
}

}  // namespace sub1quant::testing
