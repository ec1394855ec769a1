// A small tokenizer.json of the published pipeline, made of given pieces and merges.
#pragma once

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"

namespace sub1quant {

using ToyMerges = std::vector<std::pair<std::string, std::string>>;

// Ids: <pad> 0, <eos> 1, <bos> 2, <unk> 3, byte tokens 4…259, then `pieces` from 260.
inline Json ToyTokenizer(const std::vector<std::string>& pieces, const ToyMerges& merges,
                         bool merges_as_strings = false) {
  Json vocab = Json::object();
  Json added = Json::array();
  for (const char* special : {"<pad>", "<eos>", "<bos>", "<unk>"}) {
    added.push_back({{"id", vocab.size()},
                     {"content", special},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
    vocab[special] = vocab.size();
  }
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    vocab[name] = vocab.size();
  }
  for (const std::string& piece : pieces) vocab[piece] = vocab.size();
  Json merge_list = Json::array();
  for (const auto& [left, right] : merges)
    merge_list.push_back(merges_as_strings ? Json(left + " " + right) : Json::array({left, right}));
  const Json space = {{"String", " "}};
  return {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer", {{"type", "Replace"}, {"pattern", space}, {"content", "\xE2\x96\x81"}}},
      {"pre_tokenizer", {{"type", "Split"}, {"pattern", space}, {"behavior", "MergedWithPrevious"}, {"invert", false}}},
      {"post_processor", nullptr},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders",
         Json::array({Json{{"type", "Replace"}, {"pattern", {{"String", "\xE2\x96\x81"}}}, {"content", " "}},
                      Json{{"type", "ByteFallback"}}, Json{{"type", "Fuse"}}})}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", "<unk>"},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", true},
        {"byte_fallback", true},
        {"ignore_merges", false},
        {"vocab", vocab},
        {"merges", merge_list}}}};
}

}  // namespace sub1quant
