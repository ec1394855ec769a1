// Shows that the golden inputs notice the mistakes that random inputs hide: a second int4 encoder, written here, gives
// the golden bytes when it divides, and other bytes when it multiplies by a reciprocal.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

#include "quant/codec/arithmetic.h"
#include "tests/support/codec_cases.h"

namespace sub1quant {
namespace {

using golden::Codecs;

struct Variant {
  std::function<float(float)> seventh;          // absmax → scale before rounding
  std::function<float(float, float)> quotient;  // w, scale
};

float Weight(const MatrixView& m, int64_t at) {
  uint16_t half = 0;
  float value = 0;
  if (m.dtype == DType::kF32) {
    std::memcpy(&value, static_cast<const uint8_t*>(m.data) + 4 * at, 4);
    return value;
  }
  std::memcpy(&half, static_cast<const uint8_t*>(m.data) + 2 * at, 2);
  return m.dtype == DType::kBF16 ? Bf16Value(half) : Fp16Value(half);
}

// `packed_int4` and then `scales` of the matrix.
std::vector<uint8_t> Encode(const MatrixView& m, int group_size, const Variant& variant) {
  const int64_t padded = GroupsPerRow(m.cols, group_size) * group_size;
  std::vector<uint8_t> codes(static_cast<size_t>(m.rows * padded), 8), scales;
  for (int64_t row = 0; row < m.rows; ++row) {
    for (int64_t first = 0; first < m.cols; first += group_size) {
      const int64_t end = std::min<int64_t>(first + group_size, m.cols);
      float absmax = 0;
      for (int64_t i = first; i < end; ++i) absmax = std::fmax(absmax, std::fabs(Weight(m, row * m.cols + i)));
      uint16_t bits = Fp16Bits(variant.seventh(absmax));
      if (bits == 0) bits = kFp16One;
      scales.push_back(static_cast<uint8_t>(bits));
      scales.push_back(static_cast<uint8_t>(bits >> 8));
      const float scale = Fp16Value(bits);
      for (int64_t i = first; i < end; ++i) {
        const float q = std::nearbyint(variant.quotient(Weight(m, row * m.cols + i), scale));
        codes[static_cast<size_t>(row * padded + i)] = static_cast<uint8_t>(std::fmin(std::fmax(q, -7), 7) + 8);
      }
    }
  }
  std::vector<uint8_t> packed;
  for (size_t i = 0; i < codes.size(); i += 2) packed.push_back(static_cast<uint8_t>(codes[i] | codes[i + 1] << 4));
  packed.insert(packed.end(), scales.begin(), scales.end());
  return packed;
}

int CasesThatDiffer(const Variant& variant) {
  int differ = 0;
  for (const auto& entry : Codecs().json.at("cases")) {
    if (golden::IsSkipped(entry) || !entry.at("formats").contains("groupwise_int4")) continue;
    const std::string prefix = entry.at("name").get<std::string>() + "/groupwise_int4/";
    std::vector<uint8_t> want = Codecs().FileOf(entry).at(prefix + "packed_int4").bytes();
    const std::vector<uint8_t> scales = Codecs().FileOf(entry).at(prefix + "scales").bytes();
    want.insert(want.end(), scales.begin(), scales.end());
    if (Encode(Codecs().InputOf(entry), entry.at("group_size"), variant) != want) ++differ;
  }
  return differ;
}

const auto kDivideBy7 = [](float a) { return a / 7.0f; };
const auto kDivide = [](float w, float s) { return w / s; };

TEST(GoldenCasesDistinguish, DivisionIsRight) { EXPECT_EQ(CasesThatDiffer({kDivideBy7, kDivide}), 0); }

TEST(GoldenCasesDistinguish, ReciprocalOfTheScale) {
  const auto reciprocal = [](float w, float s) {
    const float inverse = 1.0f / s;
    return w * inverse;
  };
  EXPECT_GE(CasesThatDiffer({kDivideBy7, reciprocal}), 5);
}

TEST(GoldenCasesDistinguish, HalfAwayFromZero) {
  const auto away = [](float w, float s) { return std::round(w / s); };
  EXPECT_GE(CasesThatDiffer({kDivideBy7, away}), 5);
}

TEST(GoldenCasesDistinguish, ReciprocalOfSeven) {
  const auto reciprocal = [](float a) { return a * (1.0f / 7.0f); };
  EXPECT_GE(CasesThatDiffer({reciprocal, kDivide}), 1);
}

}  // namespace
}  // namespace sub1quant
