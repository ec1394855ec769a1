#include "quant/eval/torch/primitives.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

namespace sub1quant {
namespace {

TEST(RoundedTo, EmbeddingScalesOfThePublishedModel) {
  EXPECT_EQ(RoundedTo(std::sqrt(1536.0), at::kBFloat16), 39.25);
  EXPECT_EQ(RoundedTo(std::sqrt(256.0), at::kBFloat16), 16);
  EXPECT_FLOAT_EQ(static_cast<float>(RoundedTo(std::sqrt(1536.0), at::kFloat)), 39.191835f);
}

TEST(Scaled, Bfloat16TakesTheUnroundedFactor) {
  // Rounded to bfloat16 first the factor would be 0.02551269.
  int64_t differing = 0;
  for (int i = 128; i < 256; ++i) {
    const at::Tensor value = at::tensor({static_cast<float>(i)}).to(at::kBFloat16);
    const float unrounded = at::tensor({static_cast<float>(i) * 0.025515518f}).to(at::kBFloat16).item().toFloat();
    const float rounded = at::tensor({static_cast<float>(i) * 0.02551269f}).to(at::kBFloat16).item().toFloat();
    EXPECT_EQ(Scaled(value, 1 / std::sqrt(1536.0)).item().toFloat(), unrounded) << i;
    differing += unrounded != rounded;
  }
  EXPECT_GT(differing, 0) << "the values do not tell the two factors apart";
}

TEST(RmsNorm, OneRoundingAtTheEnd) {
  const at::Tensor x = at::tensor({1.0f, 2.0f, 3.0f, 4.0f}).to(at::kBFloat16),
                   weight = at::tensor({1.01f, 1.0f, 0.5f, 2.0f});
  const at::Tensor y = RmsNorm(x, weight, 1e-6), bare = RmsNorm(x, at::Tensor(), 1e-6);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  const double inverse = 1 / std::sqrt(7.5 + 1e-6);
  const at::Tensor want = at::tensor({1.01 * inverse, 2 * inverse, 1.5 * inverse, 8 * inverse}).to(at::kBFloat16);
  EXPECT_TRUE(at::equal(y, want));
  EXPECT_TRUE(at::equal(bare, x.to(at::kFloat).mul(inverse).to(at::kBFloat16)));
}

TEST(RmsNorm, EpsStandsInsideTheRoot) {
  EXPECT_NEAR(RmsNorm(at::ones({4}).mul(0.5), at::Tensor(), 0.75)[0].item().toDouble(), 0.5, 1e-7);
}

}  // namespace
}  // namespace sub1quant
