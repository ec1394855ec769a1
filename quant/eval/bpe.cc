#include "quant/eval/bpe.h"

#include <algorithm>
#include <cstdio>
#include <queue>

#include "absl/strings/string_view.h"
#include "core/status.h"
#include "quant/eval/tokenizer_pipeline.h"
#include "quant/eval/utf8.h"
#include "quant/model/strict_sax.h"

namespace sub1quant {
namespace {

constexpr size_t kMaxCachedWord = 64;
constexpr size_t kMaxCachedWords = 200000;
constexpr std::string_view kMeta(kMetaspace, 3);

bool MetaspaceAt(std::string_view text, size_t i) { return text.compare(i, kMeta.size(), kMeta) == 0; }

std::string ByteToken(int byte) {
  char text[8];
  std::snprintf(text, sizeof text, "<0x%02X>", byte);
  return text;
}

bool HasMetaspaceBehindOther(std::string_view piece) {
  bool other = false;
  for (size_t i = 0; i < piece.size(); i += Utf8Length(static_cast<unsigned char>(piece[i]))) {
    const bool meta = MetaspaceAt(piece, i);
    if (meta && other) return true;
    other |= !meta;
  }
  return false;
}

bool MixesNewline(std::string_view piece) {
  return piece.find('\n') != std::string_view::npos && piece.find_first_not_of('\n') != std::string_view::npos;
}

}  // namespace

// A node of the doubly linked list; `id` -1 marks one that was merged into its left neighbour.
struct Bpe::Symbol {
  int32_t id;
  int32_t previous, next;  // -1: none
};

struct Bpe::Candidate {
  uint32_t rank;
  int32_t position;
  int32_t result;
  // Of std::priority_queue's greatest: smallest rank, then leftmost.
  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

absl::StatusOr<Bpe> Bpe::Build(const TokenizerFile& file) {
  Bpe bpe;
  SUB1QUANT_RETURN_IF_ERROR(bpe.AddVocabulary(file));
  SUB1QUANT_RETURN_IF_ERROR(bpe.AddMerges(file.merges));
  SUB1QUANT_RETURN_IF_ERROR(bpe.AddByteTokens());
  bpe.FindCuts();
  return bpe;
}

absl::Status Bpe::AddVocabulary(const TokenizerFile& file) {
  // Ids may have holes, but not so many that the table is larger than the file that asks for it.
  const size_t limit = 2 * file.vocab.size() + 1024;
  ids_.reserve(file.vocab.size());
  for (const auto& [piece, id] : file.vocab) {
    const auto place = static_cast<size_t>(id);
    if (piece.empty()) return absl::InvalidArgumentError("model.vocab: an empty piece");
    if (place >= limit)
      return absl::InvalidArgumentError("model.vocab: id " + std::to_string(id) + " of " + QuotedKey(piece) +
                                        " is too large for " + std::to_string(file.vocab.size()) + " entries");
    if (!ids_.emplace(piece, id).second)
      return absl::InvalidArgumentError("model.vocab: duplicate key " + QuotedKey(piece));
    if (place >= pieces_.size()) pieces_.resize(place + 1);
    if (!pieces_[place].empty())
      return absl::InvalidArgumentError("model.vocab: " + QuotedKey(pieces_[place]) + " and " + QuotedKey(piece) +
                                        " have the same id " + std::to_string(id));
    pieces_[place] = piece;
  }
  return absl::OkStatus();
}

absl::Status Bpe::AddMerges(const MergeList& merges) {
  merges_.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto [left, right] = merges.at(rank);
    const int32_t left_id = IdOf(left), right_id = IdOf(right), result = IdOf(left + right);
    if (left_id < 0 || right_id < 0 || result < 0)
      return absl::InvalidArgumentError("model.merges[" + std::to_string(rank) + "]: " +
                                        QuotedKey(left_id < 0    ? left
                                                  : right_id < 0 ? right
                                                                 : left + right) +
                                        " is not in the vocabulary");
    // Of a pair that is there twice the last one counts, as in the reference.
    merges_[static_cast<uint64_t>(left_id) << 32 | static_cast<uint32_t>(right_id)] = {static_cast<uint32_t>(rank),
                                                                                       result};
  }
  return absl::OkStatus();
}

absl::Status Bpe::AddByteTokens() {
  for (int byte = 0; byte < 256; ++byte) {
    byte_ids_[static_cast<size_t>(byte)] = IdOf(ByteToken(byte));
    if (byte_ids_[static_cast<size_t>(byte)] < 0)
      return absl::InvalidArgumentError("model.vocab: the byte token " + ByteToken(byte) + " is missing");
  }
  return absl::OkStatus();
}

void Bpe::FindCuts() {
  cuts_before_metaspace_ = std::none_of(pieces_.begin(), pieces_.end(), HasMetaspaceBehindOther);
  cuts_around_newlines_ = std::none_of(pieces_.begin(), pieces_.end(), MixesNewline);
}

int32_t Bpe::IdOf(const std::string& piece) const {
  const auto found = ids_.find(piece);
  return found == ids_.end() ? -1 : found->second;
}

const Bpe::Merge* Bpe::Find(int32_t left, int32_t right) const {
  const auto found = merges_.find(static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right));
  return found == merges_.end() ? nullptr : &found->second;
}

// One symbol per character, or per byte of a character that the vocabulary lacks.
std::vector<Bpe::Symbol> Bpe::FirstSymbols(std::string_view segment) const {
  std::vector<Symbol> symbols;
  const auto add = [&symbols](int32_t id) {
    const auto place = static_cast<int32_t>(symbols.size());
    symbols.push_back({id, place - 1, place + 1});
  };
  for (size_t i = 0; i < segment.size();) {
    const size_t length = Utf8Length(static_cast<unsigned char>(segment[i]));
    const auto found = ids_.find(absl::string_view(segment.data() + i, length));
    if (found != ids_.end()) {
      add(found->second);
    } else {
      for (size_t k = i; k < i + length; ++k) add(byte_ids_[static_cast<unsigned char>(segment[k])]);
    }
    i += length;
  }
  if (!symbols.empty()) symbols.back().next = -1;
  return symbols;
}

void Bpe::EncodeWhole(std::string_view segment, std::vector<int32_t>& ids) const {
  std::vector<Symbol> symbols = FirstSymbols(segment);
  std::vector<Candidate> initial;
  const auto candidate = [&](int32_t left, auto&& take) {
    const int32_t right = left < 0 ? -1 : symbols[static_cast<size_t>(left)].next;
    if (right < 0) return;
    const Merge* merge = Find(symbols[static_cast<size_t>(left)].id, symbols[static_cast<size_t>(right)].id);
    if (merge != nullptr) take(Candidate{merge->rank, left, merge->result});
  };
  for (size_t i = 0; i + 1 < symbols.size(); ++i)
    candidate(static_cast<int32_t>(i), [&](const Candidate& found) { initial.push_back(found); });
  std::priority_queue<Candidate> queue(std::less<Candidate>(), std::move(initial));

  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[static_cast<size_t>(best.position)];
    if (left.id < 0 || left.next < 0) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    // Entries of pairs that have changed since are stale. A changed pair spells a longer text, so it has another
    // result.
    const Merge* merge = Find(left.id, right.id);
    if (merge == nullptr || merge->result != best.result) continue;
    left.id = best.result;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = best.position;
    candidate(left.previous, [&](const Candidate& found) { queue.push(found); });
    candidate(best.position, [&](const Candidate& found) { queue.push(found); });
  }
  for (const Symbol& symbol : symbols)
    if (symbol.id >= 0) ids.push_back(symbol.id);
}

// The end of the word that begins at `begin`: no piece can reach across it.
size_t Bpe::WordEnd(std::string_view segment, size_t begin) const {
  size_t i = begin;
  if (cuts_around_newlines_ && segment[i] == '\n') return std::min(segment.find_first_not_of('\n', i), segment.size());
  bool other = false;
  for (; i < segment.size(); i += Utf8Length(static_cast<unsigned char>(segment[i]))) {
    if (cuts_around_newlines_ && segment[i] == '\n') break;
    const bool meta = MetaspaceAt(segment, i);
    if (cuts_before_metaspace_ && meta && other) break;
    other |= !meta;
  }
  return i;
}

void Bpe::EncodeCut(std::string_view segment, std::vector<int32_t>& ids) const {
  struct Range {
    size_t begin, end;  // in `ids`, where the word was encoded first
  };
  absl::flat_hash_map<absl::string_view, Range> seen;
  for (size_t begin = 0; begin < segment.size();) {
    const size_t end = WordEnd(segment, begin);
    const absl::string_view word(segment.data() + begin, end - begin);
    begin = end;
    const auto found = word.size() <= kMaxCachedWord ? seen.find(word) : seen.end();
    if (found != seen.end()) {
      for (size_t i = found->second.begin; i < found->second.end; ++i) ids.push_back(ids[i]);
      continue;
    }
    const size_t old_size = ids.size();
    EncodeWhole(std::string_view(word.data(), word.size()), ids);
    if (word.size() <= kMaxCachedWord && seen.size() < kMaxCachedWords) seen[word] = {old_size, ids.size()};
  }
}

}  // namespace sub1quant
