// Rank-ordered byte pair encoding with byte fallback, exactly as Hugging Face's: always the adjacent pair of the
// smallest rank, of equal ones the leftmost, until none is left.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "quant/eval/tokenizer_file.h"

namespace sub1quant {

// Immutable, thread-safe.
class Bpe {
 public:
  // Refuses a piece or an id that is there twice, merges of unknown pieces, missing byte tokens.
  static absl::StatusOr<Bpe> Build(const TokenizerFile& file);

  // Appends the ids of `segment`: valid UTF-8, spaces already replaced. EncodeWhole takes the segment as one word, O(n
  // log n). EncodeCut gives the same ids faster where the vocabulary allows cuts (else it is EncodeWhole).
  void EncodeWhole(std::string_view segment, std::vector<int32_t>& ids) const;
  void EncodeCut(std::string_view segment, std::vector<int32_t>& ids) const;

  // What EncodeCut may use, found by looking at every piece: no piece has U+2581 behind another character; no piece
  // mixes line feeds with anything else.
  bool cuts_before_metaspace() const { return cuts_before_metaspace_; }
  bool cuts_around_newlines() const { return cuts_around_newlines_; }

  // -1 if there is no such piece.
  int32_t IdOf(const std::string& piece) const;
  const std::vector<std::string>& pieces() const { return pieces_; }  // by id; "" where the id is not used

 private:
  struct Merge {
    uint32_t rank = 0;
    int32_t result = -1;
  };
  struct Symbol;
  struct Candidate;

  absl::Status AddVocabulary(const TokenizerFile& file);
  absl::Status AddMerges(const MergeList& merges);
  absl::Status AddByteTokens();
  void FindCuts();
  std::vector<Symbol> FirstSymbols(std::string_view segment) const;
  size_t WordEnd(std::string_view segment, size_t begin) const;
  const Merge* Find(int32_t left, int32_t right) const;

  absl::flat_hash_map<std::string, int32_t> ids_;
  std::vector<std::string> pieces_;
  absl::flat_hash_map<uint64_t, Merge> merges_;  // left id << 32 | right id
  std::array<int32_t, 256> byte_ids_ = {};
  bool cuts_before_metaspace_ = false, cuts_around_newlines_ = false;
};

}  // namespace sub1quant
