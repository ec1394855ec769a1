// What stands in for the divisions of 4-bit codes in a search, at every float16 scale.
#include "quant/codec/code_scale.cuh"

#include <gtest/gtest.h>

#include <cmath>

namespace sub1quant {
namespace {

// Around the middles between two codes, where a reciprocal rounds to the wrong side, and beyond the last code.
TEST(CodeScale, RestIsThatOfTheDividedCode) {
  for (uint16_t bits = 1; bits < kFp16Infinity; ++bits) {
    const CodeScale scale(bits);
    for (int half = 0; half <= 18; ++half) {
      float x = 0.5f * static_cast<float>(half) * scale.value;
      for (int step = 0; step < 4; ++step) x = std::nextafter(x, 0.0f);
      for (int step = 0; step < 9; ++step, x = std::nextafter(x, HUGE_VALF)) {
        const float want = Magnitude(x - scale.Code(x) * scale.value);
        ASSERT_EQ(scale.Rest(x), want) << x << " at scale " << scale.value;
        ASSERT_EQ(scale.Rest(-x), want);
      }
    }
  }
}

TEST(CodeScale, AScaleOfZeroCorrectsNothing) {
  const CodeScale scale(0);
  EXPECT_EQ(scale.Rest(0x1p-26f), 0x1p-26f);
  EXPECT_EQ(scale.Rest(0.0f), 0.0f);
}

}  // namespace
}  // namespace sub1quant
