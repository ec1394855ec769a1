// The fused loops against LibTorch's operators, and the rounding points of both.
#include "quant/eval/torch/operations.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

#include "absl/strings/str_cat.h"

namespace sub1quant {
namespace {

TEST(RoundedTo, EmbeddingScalesOfThePublishedModel) {
  EXPECT_EQ(RoundedTo(std::sqrt(1536.0), at::kBFloat16), 39.25);
  EXPECT_EQ(RoundedTo(std::sqrt(256.0), at::kBFloat16), 16);
  EXPECT_FLOAT_EQ(static_cast<float>(RoundedTo(std::sqrt(1536.0), at::kFloat)), 39.191835f);
}

struct Arm {
  std::string name;
  bool torch;
  at::ScalarType dtype;
};

class Implementation : public testing::TestWithParam<Arm> {
 protected:
  std::unique_ptr<Operations> operations_ =
      GetParam().torch ? NewTorchOperations() : NewCpuOperations(GetParam().dtype);
};

TEST_P(Implementation, ScaledTakesTheUnroundedFactor) {
  // Rounded to bfloat16 first the factor would be 0.02551269.
  const at::Tensor values = at::arange(128, 256, at::kFloat).to(GetParam().dtype);
  const at::Tensor want = values.to(at::kFloat).mul(static_cast<float>(1 / std::sqrt(1536.0))).to(GetParam().dtype);
  EXPECT_TRUE(at::equal(operations_->Scaled(values, 1 / std::sqrt(1536.0)), want));
  const at::Tensor rounded = values.to(at::kFloat).mul(0.02551269f).to(GetParam().dtype);
  EXPECT_FALSE(at::equal(want, rounded)) << "the values do not tell the two factors apart";
}

TEST_P(Implementation, RmsNormRoundsOnceAtTheEnd) {
  const at::Tensor x = at::tensor({1.0f, 2.0f, 3.0f, 4.0f}).to(GetParam().dtype),
                   weight = at::tensor({1.01f, 1.0f, 0.5f, 2.0f});
  const double inverse = 1 / std::sqrt(7.5 + 1e-6);
  const at::Tensor want = at::tensor({1.01 * inverse, 2 * inverse, 1.5 * inverse, 8 * inverse});
  EXPECT_TRUE(at::allclose(operations_->RmsNorm(x, weight, 1e-6), want.to(GetParam().dtype), 2e-7, 0));
  EXPECT_TRUE(at::allclose(operations_->RmsNorm(x, at::Tensor(), 1e-6),
                           x.to(at::kFloat).mul(inverse).to(GetParam().dtype), 2e-7, 0));
}

TEST_P(Implementation, EpsStandsInsideTheRoot) {
  const at::Tensor half = at::full({4}, 0.5, at::kFloat).to(GetParam().dtype);
  EXPECT_NEAR(operations_->RmsNorm(half, at::Tensor(), 0.75)[0].item().toDouble(), 0.5, 1e-7);
}

TEST_P(Implementation, NotANumberStaysOne) {
  const at::Tensor bad = at::full({2, 40}, std::nan(""), at::kFloat).to(GetParam().dtype);
  EXPECT_TRUE(operations_->RmsNorm(bad, at::Tensor(), 1e-6).isnan().all().item().toBool());
  EXPECT_TRUE(operations_->GatedGelu(bad.clone(), bad).isnan().all().item().toBool());
  EXPECT_TRUE(operations_->SoftCapped(bad, 30.0).isnan().all().item().toBool());
  const auto loss = operations_->NewLossRows(at::tensor({1, 39}, at::kLong), 30.0);
  loss->Fold(bad, 0);
  EXPECT_TRUE(loss->Finish().isnan().all().item().toBool());
}

INSTANTIATE_TEST_SUITE_P(All, Implementation,
                         testing::Values(Arm{"torch_float32", true, at::kFloat}, Arm{"cpu_float32", false, at::kFloat},
                                         Arm{"torch_bfloat16", true, at::kBFloat16},
                                         Arm{"cpu_bfloat16", false, at::kBFloat16}),
                         [](const auto& info) { return info.param.name; });

// Widths around the sixteen lanes, rows of several heads: both implementations on the same random values.
class Twins : public testing::TestWithParam<std::tuple<at::ScalarType, int64_t>> {
 protected:
  static at::ScalarType dtype() { return std::get<0>(GetParam()); }
  static int64_t width() { return std::get<1>(GetParam()); }
  at::Tensor Random(std::vector<int64_t> shape, double scale = 1) {
    return at::randn(shape, generator_, at::TensorOptions(at::kFloat)).mul_(scale).to(dtype());
  }
  // float32: a few units in the last place. bfloat16: one unit of it where a value fell on the other side of a tie.
  void ExpectTwins(const at::Tensor& a, const at::Tensor& b, double scale = 1) {
    ASSERT_EQ(a.scalar_type(), b.scalar_type());
    const bool wide = a.scalar_type() == at::kFloat && dtype() == at::kFloat;
    EXPECT_TRUE(at::allclose(a, b, wide ? 2e-6 : 1.0 / 128, (wide ? 1e-6 : 1e-2) * scale))
        << a.to(at::kFloat).sub(b.to(at::kFloat)).abs().max().item().toDouble();
    EXPECT_LT(a.ne(b).to(at::kFloat).mean().item().toDouble(), wide ? 1.1 : 0.05);
  }

  at::Generator generator_ = at::make_generator<at::CPUGeneratorImpl>(17);
  std::unique_ptr<Operations> torch_ = NewTorchOperations(), cpu_ = NewCpuOperations(dtype());
};

TEST_P(Twins, NormsAndPerLayerInput) {
  const at::Tensor x = Random({7, width()}), y = Random({7, width()}, 3), weight = Random({width()}).to(at::kFloat);
  ExpectTwins(cpu_->RmsNorm(x, weight, 1e-6), torch_->RmsNorm(x, weight, 1e-6));
  ExpectTwins(cpu_->AddRmsNorm(x.clone(), y, weight, 1e-6, 0.75), torch_->AddRmsNorm(x.clone(), y, weight, 1e-6, 0.75));
  ExpectTwins(cpu_->PerLayerInput(x.clone(), y, weight, 1e-6, 0.0255, 16),
              torch_->PerLayerInput(x.clone(), y, weight, 1e-6, 0.0255, 16), 16);
}

TEST_P(Twins, GatedGelu) {
  // Below -4 LibTorch's 1 + tanh has lost its digits.
  const at::Tensor gate = Random({7, width()}), up = Random({7, width()}, 2);
  ExpectTwins(cpu_->GatedGelu(gate.clone(), up), torch_->GatedGelu(gate.clone(), up));
}

TEST_P(Twins, Rope) {
  const at::Tensor x = Random({7, 3, 2 * width()}), angle = at::randn({7, width()}, generator_);
  const RopeTable table = {angle.cos().to(dtype()), angle.sin().to(dtype())};
  const at::Tensor got = cpu_->Rope(x.clone(), table), want = torch_->Rope(x.clone(), table);
  EXPECT_TRUE(at::equal(got, want)) << "two products and a sum, each rounded: the same bits";
}

TEST_P(Twins, AttentionOfSeveralBlocksAndGroups) {
  for (const int64_t length : {1, 5, 128, 300}) {
    const at::Tensor q = Random({length, 6, width()}, 0.5), k = Random({length, 2, width()}, 0.5),
                     v = Random({length, 2, width()});
    for (const int64_t window : {length, int64_t{3}, int64_t{140}}) {
      SCOPED_TRACE(absl::StrCat(length, " positions, window ", window));
      const at::Tensor got = cpu_->Attention(q, k, v, window), want = torch_->Attention(q, k, v, window);
      EXPECT_TRUE(at::allclose(got, want, dtype() == at::kFloat ? 1e-5 : 2e-2, dtype() == at::kFloat ? 1e-5 : 2e-2))
          << got.to(at::kFloat).sub(want.to(at::kFloat)).abs().max().item().toDouble();
    }
  }
}

TEST_P(Twins, LossOfSeveralTiles) {
  const int64_t vocabulary = 1100 + width();
  const at::Tensor logits = Random({5, vocabulary}, 20);
  const at::Tensor labels = at::tensor({int64_t{0}, int64_t{511}, int64_t{512}, vocabulary - 1, int64_t{1050}});
  for (const std::optional<double> cap : {std::optional<double>(30), std::optional<double>()}) {
    ExpectTwins(cpu_->SoftCapped(logits, cap), torch_->SoftCapped(logits, cap), 30);
    const auto ours = cpu_->NewLossRows(labels, cap), other = torch_->NewLossRows(labels, cap);
    for (const auto& [begin, count] : {std::pair<int64_t, int64_t>{0, 1050}, {1050, vocabulary - 1050}}) {
      const at::Tensor tile = logits.narrow(1, begin, count).contiguous();
      ours->Fold(tile, begin);
      other->Fold(tile, begin);
    }
    const double tolerance = dtype() == at::kFloat ? 3e-6 : 3e-3;
    EXPECT_TRUE(at::allclose(ours->Finish(), other->Finish(), tolerance, tolerance));
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, Twins,
                         testing::Combine(testing::Values(at::kFloat, at::kBFloat16),
                                          testing::Values<int64_t>(1, 8, 15, 16, 17, 33, 256)));

}  // namespace
}  // namespace sub1quant
