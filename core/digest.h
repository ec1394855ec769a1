// SHA-256 (OpenSSL). Digests are 64 lower-case hexadecimal characters everywhere: in names, manifests, proto and store.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace sub1quant {

// Bytes in memory. Not owned.
struct ByteSpan {
  const void* data = nullptr;
  size_t size = 0;
};

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(const void* data, size_t size);
  void Update(const std::string& text) { Update(text.data(), text.size()); }
  // Length first (8 bytes little-endian), so that ("ab","c") and ("a","bc") differ: for action keys.
  void UpdateField(const std::string& field);
  // Ends the digest; call once.
  std::string HexDigest();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string Sha256Hex(const void* data, size_t size);
std::string Sha256Hex(const std::string& text);

// 64 characters of 0-9a-f.
bool IsSha256Hex(const std::string& text);

}  // namespace sub1quant
