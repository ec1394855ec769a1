#include "quant/eval/utf8.h"

namespace sub1quant {
namespace {

bool InRange(unsigned char byte, unsigned char low, unsigned char high) { return byte >= low && byte <= high; }

// Length of the valid sequence at `bytes`, 0 if there is none (Unicode standard, table 3-7).
size_t SequenceLength(const unsigned char* bytes, size_t left) {
  const unsigned char lead = bytes[0];
  if (lead < 0x80) return 1;
  const size_t length = InRange(lead, 0xC2, 0xDF)   ? 2
                        : InRange(lead, 0xE0, 0xEF) ? 3
                        : InRange(lead, 0xF0, 0xF4) ? 4
                                                    : 0;
  if (length == 0 || length > left) return 0;
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (!InRange(bytes[1], low, high)) return 0;
  for (size_t i = 2; i < length; ++i)
    if (!InRange(bytes[i], 0x80, 0xBF)) return 0;
  return length;
}

}  // namespace

size_t FirstInvalidUtf8(const char* text, size_t size) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text);
  for (size_t i = 0; i < size;) {
    const size_t length = SequenceLength(bytes + i, size - i);
    if (length == 0) return i;
    i += length;
  }
  return kUtf8Valid;
}

}  // namespace sub1quant
