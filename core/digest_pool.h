// SHA-256 of many buffers asked for by several threads: one of those who wait hashes for up to three of them together
// (core/sha256_streams.h), the others hold no processor meanwhile.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "core/compute_threads.h"
#include "core/digest.h"
#include "core/sha256_streams.h"

namespace sub1quant {

// Thread-safe. The hashing is done on a thread of `cpu`: not to be called on one.
class DigestPool {
 public:
  explicit DigestPool(ComputeThreads& cpu) : cpu_(cpu) {}
  // 64 hexadecimal digits, as Sha256Hex.
  std::string Sha256(const void* data, size_t size) { return Sha256(std::vector<ByteSpan>{{data, size}}); }
  // Of all parts, one after the other.
  std::string Sha256(const std::vector<ByteSpan>& parts);

 private:
  struct Request {
    const uint8_t* data = nullptr;
    size_t blocks = 0;  // still to hash
    Sha256Stream stream;
    bool taken = false;  // somebody hashes it now
  };
  // Until `mine` has no blocks left.
  void Hash(Request& mine);
  bool MayLead() const;
  // Hashes `mine` and what else waits, until `mine` is done.
  void Lead(Request& mine);

  ComputeThreads& cpu_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request*> requests_;  // with blocks left, in their order; guarded by mutex_, as what follows
  int leaders_ = 0;
};

}  // namespace sub1quant
