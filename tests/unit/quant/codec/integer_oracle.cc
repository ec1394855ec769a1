#include "integer_oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

namespace sub1quant::integer_oracle {
namespace {

// Values of the float16 numbers from 0 up; 65536 stands for infinity.
std::vector<double> MakeHalves() {
  std::vector<double> values;
  for (int bits = 0; bits <= 0x7c00; ++bits) {
    const int exponent = bits >> 10, mantissa = bits & 1023;
    values.push_back(exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
  }
  return values;
}

const std::vector<double>& Halves() {
  static const std::vector<double> values = MakeHalves();
  return values;
}

// Bits of the float16 number nearest to x >= 0, the even one of two.
int Half(float x) {
  const std::vector<double>& values = Halves();
  const auto above = std::lower_bound(values.begin(), values.end(), double{x});
  if (above == values.end()) return 0x7c00;
  if (above == values.begin()) return 0;
  const int high = static_cast<int>(above - values.begin()), low = high - 1;
  const double to_high = *above - double{x}, to_low = double{x} - above[-1];
  if (to_high == to_low) return high % 2 == 0 ? high : low;
  return to_high < to_low ? high : low;
}

float HalfValue(int bits) { return static_cast<float>(Halves()[static_cast<size_t>(bits)]); }

float Butterfly(std::vector<float> v, Mistake mistake) {
  if (mistake == Mistake::kPlainSum) {
    float sum = 0;
    for (float x : v) sum = sum + x;
    return sum;
  }
  std::vector<float> pairs;
  for (size_t i = 0; i < v.size(); i += 2) pairs.push_back(v[i] + v[i + 1]);
  while (pairs.size() > 1) {
    const size_t half = pairs.size() / 2;
    std::vector<float> folded;
    for (size_t i = 0; i < half; ++i) folded.push_back(pairs[i] + pairs[i + half]);
    pairs = folded;
  }
  return pairs.front();
}

struct Grid {
  double low, high;
  int count;
};

Grid GridOf(int bits) {
  static const std::map<int, Grid> grids = {{2, {0.25, 1.30, 40}}, {3, {0.40, 1.20, 40}}, {4, {0.50, 1.15, 40}},
                                            {5, {0.75, 1.06, 20}}, {6, {0.75, 1.06, 20}}, {8, {0.90, 1.02, 12}}};
  return grids.at(bits);
}

float Factor(const Grid& grid, int j, Mistake mistake) {
  if (mistake == Mistake::kFloatGrid) {
    const auto low = static_cast<float>(grid.low), high = static_cast<float>(grid.high);
    return low + static_cast<float>(j) * ((high - low) / static_cast<float>(grid.count - 1));
  }
  const double step = j * (grid.high - grid.low) / (grid.count - 1);
  return static_cast<float>(grid.low + step);
}

// A scale and the value that the codes are computed with.
struct Scale {
  int bits = 0;
  float value = 0;
};

std::vector<Scale> Scales(float absmax, int width, Mistake mistake) {
  const auto n = static_cast<float>(1 << (width - 1));
  if (Half(absmax / n) == 0) return {{Half(1.0f), 1.0f}};
  std::vector<Scale> scales;
  const Grid grid = GridOf(width);
  for (int j = 0; j < grid.count; ++j) {
    const float product = Factor(grid, j, mistake) * absmax;
    const float raw = product / n;
    const int bits = Half(raw);
    if (bits == 0 || bits == 0x7c00) continue;
    const float value = mistake == Mistake::kRawScale ? raw : HalfValue(bits);
    Scale both[2] = {{bits, value}, {bits | 0x8000, -value}};
    if (mistake == Mistake::kNegativeFirst) std::swap(both[0], both[1]);
    scales.push_back(both[0]);
    if (mistake != Mistake::kOneSign) scales.push_back(both[1]);
  }
  return scales;
}

int Code(float w, float scale, int width, Mistake mistake) {
  const float inverse = 1.0f / scale;
  const float x = mistake == Mistake::kDivides ? w / scale : w * inverse;
  const float rounded = mistake == Mistake::kAwayFromZero ? std::round(x) : std::nearbyint(x);
  const auto n = static_cast<float>(1 << (width - 1));
  return static_cast<int>(std::min(std::max(rounded, -n), n - 1));
}

}  // namespace

Group Encode(const std::vector<float>& weights, int bits, const std::vector<float>& importance, Mistake mistake) {
  float absmax = 0;
  for (float w : weights) absmax = std::max(absmax, std::fabs(w));
  if (Half(absmax / static_cast<float>(1 << (bits - 1))) == 0x7c00) return {.refused = true};
  Group best;
  float least = 0;
  for (const Scale& scale : Scales(absmax, bits, mistake)) {
    Group group{static_cast<uint16_t>(scale.bits), {}, 0, false};
    std::vector<float> squares, costs;
    for (size_t i = 0; i < weights.size(); ++i) {
      const int q = Code(weights[i], scale.value, bits, mistake);
      const float product = static_cast<float>(q) * scale.value;
      const float error = weights[i] - product;
      const float square = error * error;
      group.codes.push_back(q);
      squares.push_back(square);
      costs.push_back(importance.empty() ? square : importance[i] * square);
    }
    group.sum = Butterfly(squares, mistake);
    const float cost = Butterfly(costs, mistake);
    const bool better = mistake == Mistake::kLastOfEquals ? cost <= least : cost < least;
    if (!best.codes.empty() && !better) continue;
    best = group;
    least = cost;
  }
  return best;
}

}  // namespace sub1quant::integer_oracle
