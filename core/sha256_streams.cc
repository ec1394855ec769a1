#include "core/sha256_streams.h"

#include <immintrin.h>

#include <cstring>

#include "core/check.h"

namespace sub1quant {
namespace {

// FIPS 180-4, 4.2.2.
alignas(16) constexpr uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// As the instructions want them: {f, e, b, a} and {h, g, d, c}, the first lowest.
struct Registers {
  __m128i abef, cdgh;
};

Registers Load(const Sha256Stream& stream) {
  const auto& s = stream.state;
  const auto word = [&](int i) { return static_cast<int>(s[static_cast<size_t>(i)]); };
  return {_mm_set_epi32(word(0), word(1), word(4), word(5)), _mm_set_epi32(word(2), word(3), word(6), word(7))};
}

void Store(const Registers& registers, Sha256Stream* stream) {
  alignas(16) uint32_t abef[4], cdgh[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(abef), registers.abef);
  _mm_store_si128(reinterpret_cast<__m128i*>(cdgh), registers.cdgh);
  stream->state = {abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]};
}

template <int kCount>
__attribute__((target("sha,sse4.1"))) void AddBlocks(Sha256Stream* const* streams, const uint8_t* const* data,
                                                     size_t blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  Registers sums[kCount];
  for (int j = 0; j < kCount; ++j) sums[j] = Load(*streams[j]);
  for (size_t block = 0; block < blocks; ++block) {
    Registers r[kCount];
    __m128i words[kCount][4];  // the schedule's last 16 words
    for (int j = 0; j < kCount; ++j) {
      r[j] = sums[j];
      const auto* in = reinterpret_cast<const __m128i*>(data[j] + block * kSha256BlockBytes);
      for (int i = 0; i < 4; ++i) words[j][i] = _mm_shuffle_epi8(_mm_loadu_si128(in + i), big_endian);
    }
#pragma GCC unroll 16
    for (int step = 0; step < 16; ++step) {
      const __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i*>(kRound + 4 * step));
#pragma GCC unroll 4
      for (int j = 0; j < kCount; ++j) {
        __m128i* w = words[j];
        __m128i sum = _mm_add_epi32(w[step % 4], constants);
        r[j].cdgh = _mm_sha256rnds2_epu32(r[j].cdgh, r[j].abef, sum);
        r[j].abef = _mm_sha256rnds2_epu32(r[j].abef, r[j].cdgh, _mm_shuffle_epi32(sum, 0x0e));
        if (step >= 12) continue;
        const __m128i shifted = _mm_alignr_epi8(w[(step + 3) % 4], w[(step + 2) % 4], 4);
        w[step % 4] = _mm_add_epi32(_mm_sha256msg1_epu32(w[step % 4], w[(step + 1) % 4]), shifted);
        w[step % 4] = _mm_sha256msg2_epu32(w[step % 4], w[(step + 3) % 4]);
      }
    }
    for (int j = 0; j < kCount; ++j) {
      sums[j].abef = _mm_add_epi32(sums[j].abef, r[j].abef);
      sums[j].cdgh = _mm_add_epi32(sums[j].cdgh, r[j].cdgh);
    }
  }
  for (int j = 0; j < kCount; ++j) {
    Store(sums[j], streams[j]);
    streams[j]->blocks += blocks;
  }
}

}  // namespace

// GCC 12's __builtin_cpu_supports does not know "sha".
bool HasSha256Streams() {
  static const bool has = [] {
    unsigned eax = 7, ebx = 0, ecx = 0, edx = 0;
    asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return __builtin_cpu_supports("sse4.1") && ((ebx >> 29) & 1) != 0;
  }();
  return has;
}

void AddSha256Blocks(Sha256Stream* const* streams, const uint8_t* const* data, int count, size_t blocks) {
  SUB1QUANT_CHECK(count >= 1 && count <= kSha256Streams);
  if (count == 1) AddBlocks<1>(streams, data, blocks);
  if (count == 2) AddBlocks<2>(streams, data, blocks);
  if (count == 3) AddBlocks<3>(streams, data, blocks);
}

std::string FinishSha256(Sha256Stream stream, const uint8_t* tail, size_t size) {
  SUB1QUANT_CHECK(size < kSha256BlockBytes);
  std::array<uint8_t, 2 * kSha256BlockBytes> last{};
  if (size > 0) std::memcpy(last.data(), tail, size);
  last[size] = 0x80;
  const size_t end = size + 9 <= kSha256BlockBytes ? kSha256BlockBytes : last.size();
  const uint64_t bits = 8 * (stream.blocks * kSha256BlockBytes + size);
  for (size_t i = 0; i < 8; ++i) last[end - 1 - i] = static_cast<uint8_t>(bits >> (8 * i));
  Sha256Stream* streams = &stream;
  const uint8_t* data = last.data();
  AddSha256Blocks(&streams, &data, 1, end / kSha256BlockBytes);
  std::string hex;
  for (const uint32_t word : stream.state)
    for (int shift = 28; shift >= 0; shift -= 4) hex += "0123456789abcdef"[(word >> shift) & 15];
  return hex;
}

}  // namespace sub1quant
