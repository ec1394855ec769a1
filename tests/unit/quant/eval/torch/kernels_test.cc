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

constexpr size_t kGuard = 64;  // elements behind the end of an output, more than any vector has

// What one implementation computes from the same inputs: bytes, after a look at what lies behind their end.
class Outputs {
 public:
  // `values` with a guard behind them.
  template <typename T>
  static std::vector<T> Guarded(std::vector<T> values) {
    values.resize(values.size() + kGuard);
    std::memset(static_cast<void*>(&values[values.size() - kGuard]), 0x5a, kGuard * sizeof(T));
    return values;
  }
  template <typename T>
  void Keep(const std::vector<T>& guarded) {
    const auto* bytes = reinterpret_cast<const char*>(guarded.data());
    const size_t end = (guarded.size() - kGuard) * sizeof(T);
    for (size_t i = end; i < guarded.size() * sizeof(T); ++i) ASSERT_EQ(bytes[i], 0x5a) << "behind the end";
    all_.emplace_back(bytes, end);
  }
  friend bool operator==(const Outputs&, const Outputs&) = default;

 private:
  std::vector<std::string> all_;
};

template <typename T>
Outputs Everything(const Kernels<T>& kernels, int64_t width) {
  constexpr int64_t kRows = 3;
  const auto count = static_cast<size_t>(kRows * width);
  const std::vector<T> x = Narrowed<T>(RandomFloats(count, 2, 1)), y = Narrowed<T>(RandomFloats(count, 2, 2));
  const std::vector<float> weights = RandomFloats(static_cast<size_t>(width), 1, 3),
                           factors = RandomFloats(kRows, 1, 6);
  const std::vector<T> start = Outputs::Guarded(x);
  Outputs all;
  std::vector<T> out = start;
  kernels.scale(x.data(), 1.7f, kRows * width, out.data());
  all.Keep(out);
  for (const float* weight : {weights.data(), static_cast<const float*>(nullptr)}) {
    out = start;
    kernels.rms_norm(x.data(), weight, 1e-6f, kRows, width, out.data());
    all.Keep(out);
  }
  out = start;
  kernels.add_rms_norm(out.data(), y.data(), weights.data(), 1e-6f, 0.7f, kRows, width);
  all.Keep(out);
  out = start;
  kernels.per_layer_input(out.data(), y.data(), weights.data(), 1e-6f, 0.02f, 16, kRows, width);
  all.Keep(out);
  out = start;
  kernels.gated_gelu(out.data(), y.data(), kRows * width);
  all.Keep(out);
  if (const int64_t half = width / 2; half > 0) {
    out = Outputs::Guarded(std::vector<T>(x.begin(), x.begin() + kRows * 2 * half));
    kernels.rope(out.data(), y.data(), y.data() + half, 1, kRows, half);
    all.Keep(out);
  }
  for (const int64_t skipped : {int64_t{0}, width / 3}) {
    std::vector<float> scores = Outputs::Guarded(RandomFloats(static_cast<size_t>(width), 4, 4));
    const float inverse = kernels.softmax(scores.data(), width, skipped, width - skipped);
    all.Keep(scores);
    all.Keep(Outputs::Guarded(std::vector<float>{inverse}));
  }
  out = start;
  const std::vector<float> unscaled = RandomFloats(count, 2, 7);
  kernels.scale_rows(unscaled.data(), factors.data(), kRows, width, out.data());
  all.Keep(out);
  for (const float cap : {0.0f, 30.0f}) {
    std::vector<float> capped = Outputs::Guarded(std::vector<float>(count));
    kernels.soft_cap(x.data(), cap, kRows * width, capped.data());
    all.Keep(capped);
    std::vector<RunningLogSum> sums(kRows, {-std::numeric_limits<float>::infinity(), 0, 0, 3});
    kernels.fold_logits(x.data(), kRows, width, 0, cap, sums.data());
    kernels.fold_logits(y.data(), kRows, width, width, cap, sums.data());
    for (const RunningLogSum& sum : sums) all.Keep(Outputs::Guarded(std::vector<float>{sum.max, sum.sum, sum.target}));
  }
  return all;
}

// Of widths with and without a rest of a vector, up to more than two of them, and one that is long.
TEST(Kernels, TheSameBitsOnEveryInstructionSetAndNothingBehindTheEnd) {
  const std::vector<NamedKernels> all = AllKernels();
  ASSERT_EQ(all.front().name, "baseline");
  std::vector<int64_t> widths = {1007};
  for (int64_t width = 1; width < 40; ++width) widths.push_back(width);
  for (const int64_t width : widths) {
    const Outputs float32 = Everything(*all.front().float32, width),
                  bfloat16 = Everything(*all.front().bfloat16, width);
    for (const NamedKernels& kernels : all) {
      EXPECT_TRUE(Everything(*kernels.float32, width) == float32) << kernels.name << ", width " << width;
      EXPECT_TRUE(Everything(*kernels.bfloat16, width) == bfloat16) << kernels.name << ", width " << width;
    }
  }
  EXPECT_EQ(&BestKernels<float>(), all.back().float32);
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
