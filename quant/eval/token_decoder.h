// Ids → text: U+2581 becomes a space, byte tokens become bytes, all is put together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sub1quant {

// Immutable, thread-safe.
class TokenDecoder {
 public:
  // `pieces` by id; "" where an id is not used.
  explicit TokenDecoder(const std::vector<std::string>& pieces);

  // Unused ids give nothing. A run of byte tokens that is not UTF-8 gives one U+FFFD a token, as in the reference.
  std::string Decode(const std::vector<int32_t>& ids) const;

 private:
  std::vector<std::string> texts_;  // by id
  std::vector<bool> is_byte_;       // texts_[id] is that one byte
};

}  // namespace sub1quant
