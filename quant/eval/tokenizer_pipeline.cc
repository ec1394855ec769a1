#include "quant/eval/tokenizer_pipeline.h"

#include <string>

#include "core/status.h"

namespace sub1quant {
namespace {

std::string Shown(const Json& value) {
  std::string text = value.dump(-1, ' ', true);
  return text.size() > 120 ? text.substr(0, 120) + "..." : text;
}

// The member, null if it is absent.
Json Member(const Json& object, const std::string& name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? Json(nullptr) : *found;
}

absl::Status Refuse(const std::string& name, const Json& value, const std::string& expected) {
  return absl::InvalidArgumentError(name + " " + Shown(value) + ": " + expected + " is expected");
}

absl::Status ExpectAbsent(const Json& object, const std::string& where, const std::string& name) {
  const Json value = Member(object, name);
  return value.is_null() ? absl::OkStatus() : Refuse(where + name, value, "null");
}

absl::Status ExpectBoolean(const Json& object, const std::string& name, bool expected, bool usual) {
  const Json value = Member(object, name);
  if (value.is_null() ? usual == expected : value == Json(expected)) return absl::OkStatus();
  return Refuse("model." + name, value, expected ? "true" : "false");
}

absl::Status CheckModel(const Json& model) {
  const Json type = Member(model, "type");
  if (type != Json("BPE")) return Refuse("model.type", type, "BPE");
  const Json dropout = Member(model, "dropout");
  if (!dropout.is_null() && dropout != Json(0.0)) return Refuse("model.dropout", dropout, "null");
  for (const std::string name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json value = Member(model, name);
    if (!value.is_null() && value != Json("")) return Refuse("model." + name, value, "null");
  }
  SUB1QUANT_RETURN_IF_ERROR(ExpectBoolean(model, "byte_fallback", true, false));
  return ExpectBoolean(model, "ignore_merges", false, false);
}

// Members in any order, and no others.
bool Same(const Json& a, const Json& b) { return nlohmann::json(a) == nlohmann::json(b); }

}  // namespace

absl::Status CheckTokenizerPipeline(const Json& rest) {
  SUB1QUANT_RETURN_IF_ERROR(CheckModel(Member(rest, "model")));
  SUB1QUANT_RETURN_IF_ERROR(ExpectAbsent(rest, "", "truncation"));
  SUB1QUANT_RETURN_IF_ERROR(ExpectAbsent(rest, "", "padding"));

  const Json space = {{"String", " "}};
  const Json normalizer = {{"type", "Replace"}, {"pattern", space}, {"content", kMetaspace}};
  if (!Same(Member(rest, "normalizer"), normalizer))
    return Refuse("normalizer", Member(rest, "normalizer"), "Replace of \" \" by U+2581");

  // After the normalizer there is no space left, so this one never splits, and none at all is the same.
  const Json split = {{"type", "Split"}, {"pattern", space}, {"behavior", "MergedWithPrevious"}, {"invert", false}};
  const Json pre_tokenizer = Member(rest, "pre_tokenizer");
  if (!pre_tokenizer.is_null() && !Same(pre_tokenizer, split))
    return Refuse("pre_tokenizer", pre_tokenizer, "Split at \" \", merged with the previous,");

  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", kMetaspace}}}, {"content", " "}};
  const Json decoder = {{"type", "Sequence"}, {"decoders", {replace, {{"type", "ByteFallback"}}, {{"type", "Fuse"}}}}};
  if (!Same(Member(rest, "decoder"), decoder))
    return Refuse("decoder", Member(rest, "decoder"), "Replace of U+2581 by \" \", ByteFallback, Fuse");
  return absl::OkStatus();
}

}  // namespace sub1quant
