// SHA-256 of up to three streams at once on one core. Each round waits for the one before it, so the processor's SHA
// unit idles for half of the time on one stream; three that take turns hash about twice the bytes per second.
// The SHA extensions of x86 are needed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace sub1quant {

// One digest in the making.
struct Sha256Stream {
  std::array<uint32_t, 8> state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint64_t blocks = 0;  // of 64 bytes, so far
};

inline constexpr int kSha256Streams = 3;
inline constexpr size_t kSha256BlockBytes = 64;

// Whether this processor can run the functions below.
bool HasSha256Streams();
// Adds `blocks` blocks at data[i] to each streams[i], 0 <= i < count; count is 1, 2 or 3.
void AddSha256Blocks(Sha256Stream* const* streams, const uint8_t* const* data, int count, size_t blocks);
// The digest, with the last `size` < 64 bytes.
std::string FinishSha256(Sha256Stream stream, const uint8_t* tail, size_t size);

}  // namespace sub1quant
