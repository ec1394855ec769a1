// Tokens that are cut out of the raw text before anything else looks at it: at each place the longest, from left to
// right.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "core/json.h"

namespace sub1quant {

// Immutable, thread-safe.
class AddedTokens {
 public:
  // `list` is `added_tokens` of tokenizer.json (null: none). Refuses tokens that strip, match single words or
  // normalized text.
  static absl::StatusOr<AddedTokens> Build(const Json& list);

  struct Match {
    size_t begin = 0, end = 0;
    int32_t id = -1;  // -1: none left
  };
  // The first match at or behind `from`; begin is text.size() if there is none.
  Match Next(const std::string& text, size_t from) const;

  const std::vector<std::pair<std::string, int32_t>>& tokens() const { return tokens_; }

 private:
  void Insert(const std::string& content, int32_t id);

  std::vector<std::pair<std::string, int32_t>> tokens_;
  // A tree of bytes: (node << 8 | byte) → node, and the id that ends at a node (-1: none). Node 0 is the root.
  absl::flat_hash_map<uint32_t, uint32_t> edges_;
  std::vector<int32_t> ends_ = {-1};
  std::array<bool, 256> begins_ = {};  // whether some token begins with the byte
};

}  // namespace sub1quant
