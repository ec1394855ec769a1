#include "quant/eval/torch/operations.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sin.h>
#include <gtest/gtest.h>

namespace sub1quant {
namespace {

Gemma4Config E2bRope() {
  Gemma4Config config;
  config.head_dim = 256;
  config.global_head_dim = 512;
  return config;
}

TEST(RopeFrequencies, CheckValuesOfTheSpecification) {
  const at::Tensor sliding = RopeFrequencies(E2bRope(), false), full = RopeFrequencies(E2bRope(), true);
  ASSERT_EQ(sliding.numel(), 128);
  ASSERT_EQ(full.numel(), 256);
  auto at_index = [](const at::Tensor& table, int64_t j) { return table[j].item().toDouble(); };
  EXPECT_NEAR(at_index(sliding, 1), 0.93057203, 1e-7);
  EXPECT_NEAR(at_index(sliding, 2), 0.86596435, 1e-7);
  EXPECT_NEAR(at_index(sliding, 64), 0.01, 1e-9);
  EXPECT_NEAR(at_index(sliding, 127), 1.0746077e-4, 1e-11);
  EXPECT_NEAR(at_index(full, 1), 0.94746351, 1e-7);
  EXPECT_NEAR(at_index(full, 2), 0.89768714, 1e-7);
  EXPECT_NEAR(at_index(full, 32), 0.17782794, 1e-7);
  EXPECT_NEAR(at_index(full, 63), 0.033376247, 1e-8);
  EXPECT_EQ(full.narrow(0, 64, 192).count_nonzero().item().toLong(), 0);
}

TEST(RopeFrequencies, FactorDividesAndDefaultTypeRotatesAll) {
  Gemma4Config config = E2bRope();
  config.full_rope_factor = 8;
  EXPECT_FLOAT_EQ(RopeFrequencies(config, true)[0].item().toFloat(), 0.125f);
  config.full_rope_proportional = false;
  EXPECT_GT(RopeFrequencies(config, true)[255].item().toFloat(), 0);
}

TEST(ApplyRope, UnrotatedDimensionsOfAFullHeadStayBitForBit) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const RopeTable table = MakeRopeTable(RopeFrequencies(E2bRope(), true), 700, at::TensorOptions().dtype(dtype));
    const at::Tensor x = at::arange(700 * 2 * 512, at::kFloat).mul(0.37).sin().view({700, 2, 512}).to(dtype);
    const at::Tensor y = NewTorchOperations()->Rope(x, table);
    EXPECT_TRUE(at::equal(y.narrow(2, 64, 192), x.narrow(2, 64, 192)));
    EXPECT_TRUE(at::equal(y.narrow(2, 320, 192), x.narrow(2, 320, 192)));
    EXPECT_TRUE(at::equal(y.select(0, 0), x.select(0, 0)));
    EXPECT_FALSE(at::equal(y.narrow(2, 0, 64), x.narrow(2, 0, 64)));
  }
}

TEST(ApplyRope, PairsAreHalfAHeadApart) {
  const RopeTable table = MakeRopeTable(RopeFrequencies(E2bRope(), false), 2, at::TensorOptions().dtype(at::kFloat));
  at::Tensor x = at::full({2, 1, 256}, 0.0);
  x = x.to(at::kFloat);
  x.select(2, 0).fill_(1);
  const at::Tensor y = NewTorchOperations()->Rope(x, table)[1][0];  // position 1, frequency 1
  EXPECT_NEAR(y[0].item().toDouble(), 0.5403023, 1e-6);
  EXPECT_NEAR(y[128].item().toDouble(), 0.8414710, 1e-6);
  EXPECT_EQ(y.count_nonzero().item().toLong(), 2);
}

}  // namespace
}  // namespace sub1quant
