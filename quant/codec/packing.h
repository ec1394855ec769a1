// Bit packing of codes (docs/formats.md §2–§4). Groups have a multiple of 8 positions, so a group starts on a byte.
#pragma once

#include <cstdint>

namespace sub1quant {

// 4 bits each, the even index low.
inline void PackNibbles(const uint8_t* codes, int count, uint8_t* out) {
  for (int i = 0; i < count / 2; ++i) out[i] = static_cast<uint8_t>(codes[2 * i] | (codes[2 * i + 1] << 4));
}

// 2 bits each, the first lowest.
inline void PackPairs(const uint8_t* codes, int count, uint8_t* out) {
  for (int i = 0; i < count / 4; ++i) {
    const uint8_t* c = codes + 4 * i;
    out[i] = static_cast<uint8_t>(c[0] | (c[1] << 2) | (c[2] << 4) | (c[3] << 6));
  }
}

// 1 bit each, the first lowest. `bits` are 0 or 1.
inline void PackBits(const uint8_t* bits, int count, uint8_t* out) {
  for (int i = 0; i < count / 8; ++i) {
    unsigned byte = 0;
    for (int j = 0; j < 8; ++j) byte |= static_cast<unsigned>(bits[8 * i + j]) << j;
    out[i] = static_cast<uint8_t>(byte);
  }
}

// One nibble of an array that starts zeroed; groups of an odd number of nibbles share a byte.
inline void PutNibble(uint8_t* array, int64_t index, uint8_t code) {
  array[index / 2] = static_cast<uint8_t>(array[index / 2] | (code << (4 * (index % 2))));
}

inline int GetNibble(const uint8_t* array, int64_t index) { return (array[index / 2] >> (4 * (index % 2))) & 15; }

// float16 elements of a byte array, little-endian whatever the machine or the alignment.
inline void PutFp16(uint8_t* array, int64_t index, uint16_t bits) {
  array[2 * index] = static_cast<uint8_t>(bits);
  array[2 * index + 1] = static_cast<uint8_t>(bits >> 8);
}

inline uint16_t GetFp16(const uint8_t* array, int64_t index) {
  return static_cast<uint16_t>(array[2 * index] | (array[2 * index + 1] << 8));
}

}  // namespace sub1quant
