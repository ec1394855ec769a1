// Bit packing of codes (docs/formats.md §2–§4). Groups have a multiple of 32 positions, so the codes of a group
// fill whole 32-bit words; encoders build these, one a lane of a tile.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace sub1quant {

static_assert(std::endian::native == std::endian::little, "words of codes are stored as they lie in memory");

// Puts the code of position i, of kBits bits with 32 a multiple of kBits, into the lane's words, the first position
// lowest. `words` start zeroed.
template <int kBits, int kLanes>
inline void PutCode(uint32_t code, int i, int lane, uint32_t (*words)[kLanes]) {
  constexpr int kPerWord = 32 / kBits;
  words[i / kPerWord][lane] |= code << (kBits * (i % kPerWord));
}

// The words of one lane, one after the other.
template <int kLanes>
inline void StoreWords(const uint32_t (*words)[kLanes], int count, int lane, uint8_t* out) {
  for (int i = 0; i < count; ++i) std::memcpy(out + 4 * i, &words[i][lane], 4);
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
