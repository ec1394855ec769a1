// Codes of B bits as an LSB-first stream: code i at bits i*B … i*B+B-1, bit k of the stream in byte k/8 at 2^(k%8),
// which is also the order of little-endian words. `count` is a multiple of 8.
#pragma once

#include <cstdint>

namespace sub1quant {

inline void PackStream(const uint8_t* codes, int count, int bits, uint8_t* out) {
  uint32_t pending = 0;
  int held = 0;  // bits in `pending`, below 8 between codes
  for (int i = 0; i < count; ++i) {
    pending |= static_cast<uint32_t>(codes[i]) << held;
    for (held += bits; held >= 8; held -= 8) {
      *out++ = static_cast<uint8_t>(pending);
      pending >>= 8;
    }
  }
}

inline void UnpackStream(const uint8_t* packed, int count, int bits, uint8_t* codes) {
  const uint32_t mask = (1u << bits) - 1;
  uint32_t pending = 0;
  int held = 0;
  for (int i = 0; i < count; ++i) {
    if (held < bits) {
      pending |= static_cast<uint32_t>(*packed++) << held;
      held += 8;
    }
    codes[i] = static_cast<uint8_t>(pending & mask);
    pending >>= bits;
    held -= bits;
  }
}

}  // namespace sub1quant
