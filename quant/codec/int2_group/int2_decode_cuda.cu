#include "quant/codec/arithmetic.h"
#include "quant/codec/decode.cuh"
#include "quant/codec/int2_group/int2_cuda.h"

namespace sub1quant {
namespace {

struct Int2Source {
  Int2Arrays in;
  int k;

  template <int kSize>
  __device__ __forceinline__ bool Decode(unsigned at, unsigned first, float* out) const {
    const size_t place = static_cast<size_t>(at) * kSize + first;
    const float s = Fp16Value(in.base_scales[at]);
    const unsigned codes = *reinterpret_cast<const uint16_t*>(in.base + place / 4);
#pragma unroll
    for (int i = 0; i < kDecodedAtOnce; ++i)
      out[i] = static_cast<float>(static_cast<int>((codes >> (2 * i)) & 3) - 1) * s;
    bool good = IsFiniteScale(in.base_scales[at]);
    if (in.signs == nullptr) return good;
    const float r = Fp16Value(in.residual_scales[at]);
    const unsigned signs = in.signs[place / 8];
#pragma unroll
    for (int i = 0; i < kDecodedAtOnce; ++i) out[i] = out[i] + (((signs >> i) & 1) != 0 ? r : -r);
    good = good && IsFiniteScale(in.residual_scales[at]);
    if (in.indices == nullptr) return good;
    return Correct<kSize>(at, first, out) && good;
  }

  // Adds the corrections that fall on these positions, in stored order.
  template <int kSize>
  __device__ __forceinline__ bool Correct(unsigned at, unsigned first, float* out) const {
    const float scale = Fp16Value(in.correction_scales[at]);
    const int count = in.counts[at];
    bool good = IsFiniteScale(in.correction_scales[at]) && count <= k;
    for (int i = 0; i < k; ++i) {
      const size_t entry = static_cast<size_t>(at) * static_cast<size_t>(k) + static_cast<size_t>(i);
      const unsigned index = in.indices[entry];
      good = good && index < kSize;
      if (i >= count || index / kDecodedAtOnce != first / kDecodedAtOnce) continue;
      const int code = ((in.corrections[entry / 2] >> (4 * (entry % 2))) & 15) - 8;
      const float correction = static_cast<float>(code) * scale;
#pragma unroll
      for (int j = 0; j < kDecodedAtOnce; ++j)
        out[j] = index % kDecodedAtOnce == static_cast<unsigned>(j) ? out[j] + correction : out[j];
    }
    return good;
  }
};

}  // namespace

cudaError_t LaunchInt2Decode(const Launch& launch, const DenseBlock& block, int group_size, int k, Int2Arrays in,
                             KernelReport report) {
  return StartDecode(launch, block, group_size, Int2Source{in, k}, report);
}

}  // namespace sub1quant
