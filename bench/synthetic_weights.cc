#include "bench/synthetic_weights.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace sub1quant {
namespace {

constexpr int kQuantiles = 1 << 16;
constexpr float kRowSpread = 0.3f, kColumnSpread = 0.25f;  // of the logarithms of the scales
constexpr uint64_t kLoudColumnOneIn = 512;
constexpr float kLoudColumn = 4.0f;
constexpr int64_t kWeightsPerOutlier = 1024;

// SplitMix64 (Steele, Lea, Flood 2014): one multiply-xor chain a value, good enough for synthetic data and fast.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

// Round to nearest even; the values here are finite.
uint16_t ToBf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// Quantiles by bisection of the error function: 65,536 of them, once a process.
std::vector<float> NormalQuantiles() {
  std::vector<float> quantiles(kQuantiles);
  double low = -6;
  for (int i = 0; i < kQuantiles; ++i) {
    const double wanted = (i + 0.5) / kQuantiles;
    double high = 6;
    for (double left = low; high - left > 1e-9;) {
      const double middle = (left + high) / 2;
      (std::erfc(-middle / std::sqrt(2.0)) / 2 < wanted ? left : high) = middle;
    }
    quantiles[i] = static_cast<float>(high);
    low = high - 1e-8;
  }
  return quantiles;
}

}  // namespace

SyntheticWeights::SyntheticWeights(uint64_t seed) : seed_(seed), normal_(NormalQuantiles()) {}

uint64_t SyntheticWeights::TensorSeed(const std::string& key) const {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : key) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return Random(hash ^ Random(seed_).Next()).Next();
}

SyntheticWeights::Tensor SyntheticWeights::Matrix(const std::string& key, int64_t cols) const {
  Tensor tensor;
  tensor.normal_ = &normal_;
  tensor.seed_ = TensorSeed(key);
  Random random(tensor.seed_);
  const float deviation = 1 / std::sqrt(static_cast<float>(cols));
  for (int64_t i = 0; i < cols; ++i) {
    const uint64_t bits = random.Next();
    const float scale = deviation * std::exp(kColumnSpread * normal_[bits & 0xffff]);
    tensor.column_scale_.push_back((bits >> 16) % kLoudColumnOneIn == 0 ? kLoudColumn * scale : scale);
  }
  return tensor;
}

void SyntheticWeights::Tensor::FillRow(int64_t row, uint16_t* out) const {
  Random random(seed_ + 0x632be59bd9b4e019 * static_cast<uint64_t>(row + 1));
  const float* normal = normal_->data();
  const float* scale = column_scale_.data();
  const auto cols = static_cast<int64_t>(column_scale_.size());
  const float row_scale = std::exp(kRowSpread * normal[random.Next() & 0xffff]);
  int64_t i = 0;
  for (; i + 4 <= cols; i += 4) {
    const uint64_t bits = random.Next();
    for (int lane = 0; lane < 4; ++lane) {
      out[i + lane] = ToBf16(normal[(bits >> (16 * lane)) & 0xffff] * row_scale * scale[i + lane]);
    }
  }
  for (; i < cols; ++i) out[i] = ToBf16(normal[random.Next() & 0xffff] * row_scale * scale[i]);
  for (int64_t n = random.Next() % (2 * cols / kWeightsPerOutlier + 1); n > 0; --n) {
    const uint64_t bits = random.Next();
    const auto column = static_cast<int64_t>((bits >> 16) % static_cast<uint64_t>(cols));
    const float sigmas = static_cast<float>(6 + bits % 10) * ((bits >> 8) % 2 == 0 ? 1.0f : -1.0f);
    out[column] = ToBf16(sigmas * row_scale * scale[column]);
  }
}

std::vector<uint16_t> SyntheticWeights::Gains(const std::string& key, int64_t count) const {
  Random random(TensorSeed(key));
  std::vector<uint16_t> gains;
  for (int64_t i = 0; i < count; ++i) gains.push_back(ToBf16(1 + 0.1f * normal_[random.Next() & 0xffff]));
  return gains;
}

}  // namespace sub1quant
