// The 64 matrices of gemma4-tiny: reconstructions rounded to bfloat16 against hashes from an independent encoder.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/digest.h"
#include "quant/codec/codec.h"
#include "tests/support/golden.h"

namespace sub1quant {
namespace {

uint16_t ToBf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

TEST(Gemma4Tiny, ReconstructionHashes) {
  const auto want = golden::ReadJson("gemma4-tiny-golden/quantized_weights.json");
  const golden::SafetensorsFile model("gemma4-tiny/model.safetensors");
  int checked = 0;
  for (const auto& [key, matrix] : want.at("detail").items()) {
    const golden::Tensor& tensor = model.at(key);
    const MatrixView view{tensor.data, tensor.dtype, tensor.shape.at(0), tensor.shape.at(1)};
    std::vector<float> decoded(static_cast<size_t>(view.rows * view.cols));
    std::vector<uint16_t> rounded(decoded.size());
    for (const std::string& method : PublishedMethods()) {
      SCOPED_TRACE(key + " " + method);
      const Codec* codec = FindCodec(method);
      const auto encoded = codec->Encode(view, {.group_size = want.at("group_size"), .threads = 2});
      ASSERT_TRUE(encoded.ok()) << encoded.status();
      ASSERT_EQ(codec->Decode(*encoded, 0, view.rows, decoded.data()), absl::OkStatus());
      const bool only_base = method == "int2_base" || method == "groupwise_int4";
      double sum = 0;
      for (size_t i = 0; i < decoded.size(); ++i) {
        uint16_t source = 0;
        std::memcpy(&source, tensor.data + 2 * i, 2);
        const float weight = std::bit_cast<float>(uint32_t{source} << 16);
        // The hashes come from codes that were still float32: where the value is q*s alone, a negative weight with code
        // 0 is -0 there. Stored codes have no sign of zero, and codec-golden's `decoded` has +0.
        rounded[i] = ToBf16(only_base && decoded[i] == 0.0f ? std::copysign(0.0f, weight) : decoded[i]);
        const double error = double{weight} - double{decoded[i]};
        sum += error * error;
      }
      EXPECT_EQ(Sha256Hex(rounded.data(), rounded.size() * 2), matrix.at(method).at("bf16_sha256").get<std::string>());
      // What decoding gives agrees with the sum that encoding reports.
      EXPECT_NEAR(encoded->error.ToDouble(), sum, 1e-6 * sum);
      ++checked;
    }
  }
  EXPECT_EQ(checked, 64 * 5);
}

}  // namespace
}  // namespace sub1quant
