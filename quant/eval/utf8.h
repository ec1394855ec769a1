// UTF-8, strictly: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string>

namespace sub1quant {

inline constexpr size_t kUtf8Valid = static_cast<size_t>(-1);

// Byte offset of the first sequence that is not UTF-8, or kUtf8Valid.
size_t FirstInvalidUtf8(const char* text, size_t size);
inline size_t FirstInvalidUtf8(const std::string& text) { return FirstInvalidUtf8(text.data(), text.size()); }

// Bytes of the sequence that begins with `lead`, in text known to be valid.
inline size_t Utf8Length(unsigned char lead) { return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }

}  // namespace sub1quant
