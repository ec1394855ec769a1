// int{B} written a second time, from docs/formats.md §9 alone and with other means: float16 by looking for the nearest
// value, the butterfly by its definition, the clamp after the rounding. Slow. And the mistakes that it can be told to
// make, to see whether the inputs of a test would notice them.
#pragma once

#include <cstdint>
#include <vector>

namespace sub1quant::integer_oracle {

enum class Mistake {
  kNone,
  kDivides,        // w/s instead of w*(1/s)
  kLastOfEquals,   // keeps the later of two scales of equal cost
  kNegativeFirst,  // tries the negative scale before the positive one
  kOneSign,        // positive scales only
  kAwayFromZero,   // rounds ties of codes away from zero
  kFloatGrid,      // factors computed in float32
  kRawScale,       // chooses and codes with the scale before its rounding to float16
  kPlainSum,       // sums from left to right
};

struct Group {
  uint16_t scale = 0;
  std::vector<int> codes = {};  // q
  float sum = 0;
  bool refused = false;
  friend bool operator==(const Group&, const Group&) = default;
};

// `weights` with their padding; `importance` empty or as long.
Group Encode(const std::vector<float>& weights, int bits, const std::vector<float>& importance,
             Mistake mistake = Mistake::kNone);

}  // namespace sub1quant::integer_oracle
