// The plans of corpus.h: which tokens each window reads and how many of them it scores.
#include <algorithm>

#include "quant/eval/corpus.h"

namespace sub1quant {
namespace {

absl::Status CheckTokens(int64_t tokens) {
  if (tokens >= 2) return absl::OkStatus();
  return absl::InvalidArgumentError("the corpus has " + std::to_string(tokens) +
                                    " tokens with <bos>, at least 2 are needed");
}

absl::Status CheckWindow(int64_t window) {
  if (window >= 2) return absl::OkStatus();
  return absl::InvalidArgumentError("window " + std::to_string(window) + ": at least 2 is expected");
}

bool Full(const std::vector<Window>& windows, int64_t max_chunks) {
  return max_chunks > 0 && static_cast<int64_t>(windows.size()) == max_chunks;
}

absl::Status CheckMaxChunks(int64_t max_chunks) {
  if (max_chunks >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError("max-chunks " + std::to_string(max_chunks) + ": 0 (all) or more is expected");
}

}  // namespace

absl::StatusOr<std::vector<Window>> PlanPublished(int64_t tokens, int64_t window, int64_t stride, int64_t max_chunks) {
  for (const absl::Status& status : {CheckTokens(tokens), CheckWindow(window), CheckMaxChunks(max_chunks)})
    if (!status.ok()) return status;
  if (stride < 1 || stride > window)
    return absl::InvalidArgumentError("stride " + std::to_string(stride) + ": 1 to the window of " +
                                      std::to_string(window) + " is expected");
  std::vector<Window> windows;
  int64_t previous_end = 0;
  for (int64_t begin = 0; previous_end < tokens && !Full(windows, max_chunks); begin += stride) {
    const int64_t end = begin + std::min(window, tokens - begin);
    const int64_t weight = end - previous_end;
    // The first token of a window has nothing before it to be predicted from.
    windows.push_back({begin, end, false, std::min(weight, end - begin - 1), weight});
    previous_end = end;
  }
  if (windows.back().targets == 0)
    return absl::InvalidArgumentError("the corpus has " + std::to_string(tokens) +
                                      " tokens with <bos>: the last window of " + std::to_string(window) +
                                      " would have one token and nothing to predict; use --max-chunks " +
                                      std::to_string(windows.size() - 1));
  return windows;
}

absl::StatusOr<std::vector<Window>> PlanBosPerWindow(int64_t tokens, int64_t window, int64_t max_chunks) {
  for (const absl::Status& status : {CheckTokens(tokens), CheckWindow(window), CheckMaxChunks(max_chunks)})
    if (!status.ok()) return status;
  std::vector<Window> windows;
  for (int64_t begin = 1; begin < tokens && !Full(windows, max_chunks);) {
    const int64_t end = begin + std::min(window - 1, tokens - begin);
    windows.push_back({begin, end, true, end - begin, end - begin});
    begin = end;
  }
  return windows;
}

}  // namespace sub1quant
