#include "core/digest.h"

#include <openssl/evp.h>

#include <array>
#include <cstdint>

#include "core/check.h"

namespace sub1quant {

struct Sha256::Impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~Impl() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  SUB1QUANT_CHECK(EVP_DigestInit_ex(impl_->context, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;

void Sha256::Update(const void* data, size_t size) {
  SUB1QUANT_CHECK(EVP_DigestUpdate(impl_->context, data, size) == 1);
}

void Sha256::UpdateField(const std::string& field) {
  std::array<unsigned char, 8> length{};
  for (int i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(uint64_t{field.size()} >> (8 * i));
  Update(length.data(), length.size());
  Update(field);
}

std::string Sha256::HexDigest() {
  std::array<unsigned char, 32> bytes{};
  unsigned int size = 0;
  SUB1QUANT_CHECK(EVP_DigestFinal_ex(impl_->context, bytes.data(), &size) == 1 && size == bytes.size());
  std::string hex;
  hex.reserve(64);
  for (unsigned char byte : bytes) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

std::string Sha256Hex(const void* data, size_t size) {
  Sha256 digest;
  digest.Update(data, size);
  return digest.HexDigest();
}

std::string Sha256Hex(const std::string& text) { return Sha256Hex(text.data(), text.size()); }

bool IsSha256Hex(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace sub1quant
