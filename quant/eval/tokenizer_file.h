// tokenizer.json as it stands (32 MB in the published models): vocabulary and merges streamed into flat arrays, the
// small rest as JSON. Linear in the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/json.h"

namespace sub1quant {

// Merges as (left, right) pieces, packed into one text: half a million small strings would take four times the memory.
class MergeList {
 public:
  void Add(std::string_view left, std::string_view right) {
    text_.append(left).append(right);
    ends_.emplace_back(text_.size() - right.size(), text_.size());
  }
  size_t size() const { return ends_.size(); }
  std::pair<std::string, std::string> at(size_t i) const {
    const size_t begin = i == 0 ? 0 : ends_[i - 1].second;
    const auto [middle, end] = ends_[i];
    return {text_.substr(begin, middle - begin), text_.substr(middle, end - middle)};
  }

 private:
  std::string text_;
  std::vector<std::pair<size_t, size_t>> ends_;  // of left, of right
};

struct TokenizerFile {
  Json rest;                                           // everything but model.vocab and model.merges
  std::vector<std::pair<std::string, int32_t>> vocab;  // file order; pieces may repeat here, the model refuses that
  MergeList merges;                                    // rank order
};

absl::StatusOr<TokenizerFile> ParseTokenizerFile(const std::string& json_text);

}  // namespace sub1quant
