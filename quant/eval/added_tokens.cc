#include "quant/eval/added_tokens.h"

#include <set>

#include "core/status.h"

namespace sub1quant {
namespace {

constexpr size_t kMaxTokens = 10000;
constexpr size_t kMaxTokenBytes = 256;  // bounds what one byte of text can cost

absl::StatusOr<std::pair<std::string, int32_t>> ReadToken(const Json& json) {
  if (!json.is_object() || !json.contains("content") || !json.at("content").is_string())
    return absl::InvalidArgumentError("an object with a content is expected");
  const std::string content = json.at("content").get<std::string>();
  if (content.empty() || content.size() > kMaxTokenBytes)
    return absl::InvalidArgumentError("content: 1 to " + std::to_string(kMaxTokenBytes) + " bytes are expected");
  for (const char* name : {"single_word", "lstrip", "rstrip", "normalized"})
    if (json.contains(name) && json.at(name) != Json(false))
      return absl::InvalidArgumentError("'" + content + "': " + name + " is not supported");
  if (!json.contains("normalized"))
    return absl::InvalidArgumentError("'" + content + "': normalized is missing, false is expected");
  if (!json.contains("id") || !json.at("id").is_number_unsigned() ||
      json.at("id").get<uint64_t>() > (uint64_t{1} << 24))
    return absl::InvalidArgumentError("'" + content + "': an id is expected");
  return std::pair(content, json.at("id").get<int32_t>());
}

}  // namespace

absl::StatusOr<AddedTokens> AddedTokens::Build(const Json& list) {
  AddedTokens result;
  if (list.is_null()) return result;
  if (!list.is_array() || list.size() > kMaxTokens)
    return absl::InvalidArgumentError("added_tokens: a list of at most " + std::to_string(kMaxTokens) + " is expected");
  std::set<std::string> seen;
  for (const Json& item : list) {
    auto token = ReadToken(item);
    if (!token.ok()) return Annotate(token.status(), "added_tokens[" + std::to_string(result.tokens_.size()) + "]");
    if (!seen.insert(token->first).second)
      return absl::InvalidArgumentError("added_tokens: '" + token->first + "' is there twice");
    result.Insert(token->first, token->second);
    result.tokens_.push_back(*std::move(token));
  }
  return result;
}

void AddedTokens::Insert(const std::string& content, int32_t id) {
  uint32_t node = 0;
  for (const char c : content) {
    const auto next = static_cast<uint32_t>(ends_.size());
    const auto [edge, added] = edges_.emplace(node << 8 | static_cast<unsigned char>(c), next);
    if (added) ends_.push_back(-1);
    node = edge->second;
  }
  ends_[node] = id;
  begins_[static_cast<unsigned char>(content[0])] = true;
}

AddedTokens::Match AddedTokens::Next(const std::string& text, size_t from) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (!begins_[static_cast<unsigned char>(text[begin])]) continue;
    Match longest;
    uint32_t node = 0;
    for (size_t end = begin; end < text.size();) {
      const auto edge = edges_.find(node << 8 | static_cast<unsigned char>(text[end]));
      if (edge == edges_.end()) break;
      node = edge->second;
      ++end;
      if (ends_[node] >= 0) longest = {begin, end, ends_[node]};
    }
    if (longest.id >= 0) return longest;
  }
  return {text.size(), text.size(), -1};
}

}  // namespace sub1quant
