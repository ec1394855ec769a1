// What stands in for the divisions of the 4-bit corrections, at every float16 scale.
#include <gtest/gtest.h>

#include <cmath>

#include "quant/codec/int2_group/int2_lane.cuh"

namespace sub1quant {
namespace {

// Around the middles between two codes, where a reciprocal rounds to the wrong side, and beyond the last code.
TEST(CorrectionScale, RestIsThatOfTheDividedCode) {
  for (uint16_t bits = 1; bits < kFp16Infinity; ++bits) {
    const float largest = 7.0f * Fp16Value(bits);
    const CorrectionScale scale(largest);
    ASSERT_EQ(scale.bits, bits);
    for (int half = 0; half <= 18; ++half) {
      float t = 0.5f * static_cast<float>(half) * scale.value;
      for (int step = 0; step < 4; ++step) t = std::nextafter(t, 0.0f);
      for (int step = 0; step < 9; ++step, t = std::nextafter(t, HUGE_VALF)) {
        const float want = Magnitude(t - scale.Code(t) * scale.value);
        ASSERT_EQ(scale.Rest(t), want) << t << " at scale " << scale.value;
        ASSERT_EQ(scale.Rest(-t), want);
      }
    }
  }
}

TEST(CorrectionScale, AScaleOfZeroCorrectsNothing) {
  const CorrectionScale scale(0x1p-25f);
  ASSERT_EQ(scale.value, 0.0f);
  EXPECT_EQ(scale.Rest(0x1p-26f), 0x1p-26f);
  EXPECT_EQ(scale.Rest(0.0f), 0.0f);
}

}  // namespace
}  // namespace sub1quant
