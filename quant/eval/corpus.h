// Corpus text → token ids, and the plan of windows over them (docs/gemma4_text_model.md §5, docs/interface.md §3).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/eval/tokenizer.h"

namespace sub1quant {

// CRLF and lone CR become LF; exactly one <bos> first, whatever the post-processor says. Refuses text that is not UTF-8
// or empty, naming what.
absl::StatusOr<std::vector<int32_t>> TokenizeCorpus(const Tokenizer& tokenizer, const std::string& text);

// Ids as little-endian int32, and the SHA-256 of that.
std::string TokensToBytes(const std::vector<int32_t>& ids);
absl::StatusOr<std::vector<int32_t>> TokensFromBytes(const std::string& bytes);

// One window of scoring. Input ids: tokens[begin, end), with <bos> before them when `prepend_bos`. The last `targets`
// of the input's positions are scored as targets.
struct Window {
  int64_t begin = 0, end = 0;
  bool prepend_bos = false;
  int64_t targets = 0;
  int64_t weight = 0;
};

// Published protocol: [b, b+window) for b = 0, stride, …, until the end is reached; weight = end - previous end. All
// `tokens` ids count, <bos> included. InvalidArgument if fewer than 2 tokens, or if the last window (after max_chunks)
// has no target, naming the token count and `--max-chunks` one less.
absl::StatusOr<std::vector<Window>> PlanPublished(int64_t tokens, int64_t window, int64_t stride, int64_t max_chunks);
// <bos> + up to window-1 tokens of the corpus without its own <bos>; all of them are targets.
absl::StatusOr<std::vector<Window>> PlanBosPerWindow(int64_t tokens, int64_t window, int64_t max_chunks);

}  // namespace sub1quant
