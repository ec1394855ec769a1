// The Gemma 4 tokenizer from tokenizer.json: added tokens cut out first, U+0020 → U+2581, rank-ordered BPE with byte
// fallback over each whole segment, O(n log n) (docs/gemma4_text_model.md §6). Ids equal Hugging Face's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sub1quant {

// Thread-safe after Parse.
class Tokenizer {
 public:
  // Refuses by name a tokenizer of another kind: model.type other than BPE, another normalizer or pre-tokenizer,
  // dropout, ignore_merges, prefixes, missing byte tokens.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Parse(const std::string& tokenizer_json);
  virtual ~Tokenizer() = default;

  // Ids of `text` without <bos>. InvalidArgument naming the byte offset if `text` is not UTF-8.
  virtual absl::StatusOr<std::vector<int32_t>> Encode(const std::string& text) const = 0;
  virtual std::string Decode(const std::vector<int32_t>& ids) const = 0;
  virtual int32_t bos_id() const = 0;
  virtual int64_t vocab_size() const = 0;  // largest id + 1
};

}  // namespace sub1quant
