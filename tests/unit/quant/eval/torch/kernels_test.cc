// Every instruction set gives the same bits, and the functions behind them are as exact as they say.
#include "quant/eval/torch/cpu/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace sub1quant {
namespace {

std::vector<float> RandomFloats(size_t count, float scale, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

template <typename T>
std::vector<T> Narrowed(const std::vector<float>& values) {
  if constexpr (std::is_same_v<T, float>) {
    return values;
  } else {
    std::vector<T> narrow(values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      uint32_t bits;
      std::memcpy(&bits, &values[i], sizeof(bits));
      narrow[i].bits = static_cast<uint16_t>(bits >> 16);
    }
    return narrow;
  }
}

// The bytes of everything that one implementation computes from the same inputs.
template <typename T>
std::vector<std::string> Everything(const Kernels<T>& kernels) {
  constexpr int64_t kRows = 3, kWidth = 1000 + 7;
  const std::vector<T> x = Narrowed<T>(RandomFloats(kRows * kWidth, 2, 1)),
                       y = Narrowed<T>(RandomFloats(kRows * kWidth, 2, 2));
  const std::vector<float> weight = RandomFloats(kWidth, 1, 3);
  std::vector<std::string> all;
  const auto keep = [&](const auto& values) {
    all.emplace_back(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
  };
  std::vector<T> out = x;
  kernels.rms_norm(x.data(), weight.data(), 1e-6f, kRows, kWidth, out.data());
  keep(out);
  out = x;
  kernels.add_rms_norm(out.data(), y.data(), weight.data(), 1e-6f, 0.7f, kRows, kWidth);
  keep(out);
  out = x;
  kernels.gated_gelu(out.data(), y.data(), kRows * kWidth);
  keep(out);
  out = x;
  kernels.per_layer_input(out.data(), y.data(), weight.data(), 1e-6f, 0.02f, 16, kRows, kWidth);
  keep(out);
  out = x;
  kernels.rope(out.data(), y.data(), y.data() + 500, 1, kRows, 500);
  keep(out);
  std::vector<float> scores = RandomFloats(kWidth, 4, 4);
  scores.push_back(kernels.softmax(scores.data(), kWidth, 5, kWidth - 3));
  keep(scores);
  std::vector<float> capped(x.size());
  kernels.soft_cap(x.data(), 3, static_cast<int64_t>(x.size()), capped.data());
  keep(capped);
  std::vector<RunningLogSum> sums(kRows, {-std::numeric_limits<float>::infinity(), 0, 0, 3});
  kernels.fold_logits(x.data(), kRows, kWidth, 0, 30, sums.data());
  kernels.fold_logits(y.data(), kRows, kWidth, kWidth, 30, sums.data());
  for (const RunningLogSum& sum : sums) keep(std::vector<float>{sum.max, sum.sum, sum.target});
  return all;
}

TEST(Kernels, TheSameBitsOnEveryInstructionSet) {
  const std::vector<NamedKernels> all = AllKernels();
  ASSERT_EQ(all.front().name, "baseline");
  for (const NamedKernels& kernels : all) {
    EXPECT_EQ(Everything(*kernels.float32), Everything(*all.front().float32)) << kernels.name;
    EXPECT_EQ(Everything(*kernels.bfloat16), Everything(*all.front().bfloat16)) << kernels.name;
  }
  EXPECT_EQ(&BestKernels<float>(), all.back().float32);
}

TEST(Kernels, NothingIsWrittenBehindTheEnd) {
  for (const NamedKernels& kernels : AllKernels()) {
    for (int64_t count = 0; count < 40; ++count) {
      std::vector<float> x = RandomFloats(64, 1, 5), out(64, -7.0f);
      kernels.float32->scale(x.data(), 2, count, out.data());
      for (int64_t i = 0; i < 64; ++i) ASSERT_EQ(out[i], i < count ? 2 * x[i] : -7.0f) << kernels.name << " " << count;
    }
  }
}

TEST(Kernels, SoftCapIsTanhToThreeUnitsInTheLastPlace) {
  std::vector<float> x;
  for (double v = 1e-6; v < 20; v *= 1.0007) x.push_back(static_cast<float>(v)), x.push_back(static_cast<float>(-v));
  std::vector<float> out(x.size());
  BestKernels<float>().soft_cap(x.data(), 1, static_cast<int64_t>(x.size()), out.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = std::tanh(static_cast<double>(x[i]));
    ASSERT_NEAR(out[i], want, 4e-7 * std::abs(want)) << x[i];
  }
}

TEST(Kernels, SoftmaxIsExpToTwoUnitsInTheLastPlace) {
  std::vector<float> x = {0};
  for (double v = 1e-4; v < 87; v *= 1.001) x.push_back(static_cast<float>(-v));
  std::vector<float> e = x;
  BestKernels<float>().softmax(e.data(), static_cast<int64_t>(e.size()), 0, static_cast<int64_t>(e.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = std::exp(static_cast<double>(x[i]));
    ASSERT_NEAR(e[i], want, 3e-7 * want) << x[i];
  }
}

TEST(Kernels, GeluKeepsItsRelativePrecisionFarBelowZero) {
  // 0.5 (1 + tanh u) cancels there: at -4 LibTorch has three digits.
  for (const float x : {-5.0f, -4.0f, -2.0f, -1e-3f, 0.0f, 1.0f, 30.0f}) {
    float gate = x;
    const float one = 1;
    BestKernels<float>().gated_gelu(&gate, &one, 1);
    const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * static_cast<double>(x) * x * x);
    const double want = x / (1 + std::exp(-2 * u));
    EXPECT_NEAR(gate, want, 1e-5 * std::abs(want)) << x;
  }
}

}  // namespace
}  // namespace sub1quant
