// Numbers of the zip format that both sides need (PKWARE APPNOTE 4.3, 4.5.3). All fields are little-endian.
#pragma once

#include <cstdint>
#include <string>

namespace sub1quant::zip {

constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kCentralHeader = 0x02014b50;
constexpr uint32_t kEnd64 = 0x06064b50;
constexpr uint32_t kEnd64Locator = 0x07064b50;
constexpr uint32_t kEnd = 0x06054b50;

constexpr uint64_t kLocalHeaderSize = 30;
constexpr uint64_t kCentralHeaderSize = 46;
constexpr uint64_t kEnd64Size = 56;
constexpr uint64_t kEnd64LocatorSize = 20;
constexpr uint64_t kEndSize = 22;

constexpr uint16_t kExtraZip64 = 0x0001;
constexpr uint16_t kExtraPadding = 0x4246;  // "FB", as torch pads

constexpr uint16_t kFlagDescriptor = 0x0008;  // checksum and sizes follow the data
constexpr uint16_t kFlagUtf8 = 0x0800;

constexpr uint32_t kMax32 = 0xffffffff;  // "see the zip64 field"
constexpr uint16_t kMax16 = 0xffff;

template <typename T>
void Put(std::string* out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) *out += static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xff);
}

template <typename T>
T Get(const char* in) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= uint64_t{static_cast<unsigned char>(in[i])} << (8 * i);
  return static_cast<T>(value);
}

inline uint32_t Saturate32(uint64_t value) { return value < kMax32 ? static_cast<uint32_t>(value) : kMax32; }

}  // namespace sub1quant::zip
