#include "core/random_id.h"

#include <openssl/rand.h>

#include <array>

#include "core/check.h"

namespace sub1quant {
namespace {
class RandomIdGenerator final : public IdGenerator {
 public:
  std::string NewId() override {
    std::array<unsigned char, 16> bytes{};
    SUB1QUANT_CHECK(RAND_bytes(bytes.data(), bytes.size()) == 1);
    std::string id;
    for (unsigned char byte : bytes) {
      id += "0123456789abcdef"[byte >> 4];
      id += "0123456789abcdef"[byte & 15];
    }
    return id;
  }
};
}  // namespace

std::unique_ptr<IdGenerator> NewRandomIdGenerator() { return std::make_unique<RandomIdGenerator>(); }

}  // namespace sub1quant
