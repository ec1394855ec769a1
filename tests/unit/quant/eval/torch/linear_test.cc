#include "quant/eval/torch/linear.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace sub1quant {
namespace {

TEST(Linear, WidenedProductsOfBfloat16AreRoundedOnce) {
  const at::Tensor x = at::randn({37, 200}).to(at::kBFloat16), weight = at::randn({50, 200}).to(at::kBFloat16);
  const at::Tensor exact = at::matmul(x.to(at::kDouble), weight.to(at::kDouble).t());
  const at::Tensor native = Linear(x, weight), widened = Linear(x, weight.to(at::kFloat));
  ASSERT_EQ(widened.scalar_type(), at::kBFloat16);
  ASSERT_EQ(native.scalar_type(), at::kBFloat16);
  // Half a unit in the last place of 8 bits, and the float32 sum's error near zero.
  EXPECT_TRUE(at::allclose(widened.to(at::kDouble), exact, 1.0 / 256, 1e-4));
  EXPECT_TRUE(at::allclose(native.to(at::kDouble), exact, 1.0 / 255, 1e-3));
  EXPECT_LT(native.ne(widened).to(at::kFloat).mean().item().toDouble(), 0.01) << "both sum in float32";
}

}  // namespace
}  // namespace sub1quant
