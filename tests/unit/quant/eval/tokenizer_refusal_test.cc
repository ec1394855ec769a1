// Tokenizers of another kind, and files made to hurt: refused with a sentence that names the field.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quant/eval/tokenizer.h"
#include "tests/unit/quant/eval/toy_tokenizer.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

Json Sound() { return ToyTokenizer({"a", "b", "ab"}, {{"a", "b"}}); }

std::string RefusalOfText(const std::string& text) {
  auto tokenizer = Tokenizer::Parse(text);
  if (tokenizer.ok()) return "accepted";
  EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(tokenizer.status().message());
}

std::string With(const std::string& pointer, const Json& value) {
  Json json = Sound();
  json[Json::json_pointer(pointer)] = value;
  return RefusalOfText(json.dump());
}

std::string Without(const std::string& parent, const std::string& name) {
  Json json = Sound();
  json[Json::json_pointer(parent)].erase(name);
  return RefusalOfText(json.dump());
}

TEST(TokenizerRefusal, TheSoundOneIsAccepted) {
  EXPECT_EQ(RefusalOfText(Sound().dump()), "accepted");
  EXPECT_EQ(With("/pre_tokenizer", nullptr), "accepted");
}

TEST(TokenizerRefusal, OtherModels) {
  EXPECT_THAT(With("/model/type", "Unigram"), HasSubstr("model.type \"Unigram\""));
  EXPECT_THAT(Without("/model", "type"), HasSubstr("model.type"));
  EXPECT_THAT(With("/model/dropout", 0.1), HasSubstr("model.dropout 0.1"));
  EXPECT_THAT(With("/model/ignore_merges", true), HasSubstr("model.ignore_merges true"));
  EXPECT_THAT(With("/model/byte_fallback", false), HasSubstr("model.byte_fallback false"));
  EXPECT_THAT(Without("/model", "byte_fallback"), HasSubstr("model.byte_fallback"));
  EXPECT_THAT(With("/model/continuing_subword_prefix", "##"), HasSubstr("model.continuing_subword_prefix \"##\""));
  EXPECT_THAT(With("/model/end_of_word_suffix", "</w>"), HasSubstr("model.end_of_word_suffix"));
}

TEST(TokenizerRefusal, OtherPipelines) {
  EXPECT_THAT(With("/normalizer", nullptr), HasSubstr("normalizer null"));
  EXPECT_THAT(With("/normalizer", {{"type", "NFKC"}}), HasSubstr("NFKC"));
  EXPECT_THAT(With("/normalizer/content", "_"), HasSubstr("normalizer"));
  EXPECT_THAT(With("/pre_tokenizer/behavior", "Isolated"), HasSubstr("Isolated"));
  EXPECT_THAT(With("/pre_tokenizer", {{"type", "ByteLevel"}}), HasSubstr("ByteLevel"));
  EXPECT_THAT(With("/decoder", {{"type", "ByteLevel"}}), HasSubstr("decoder"));
  EXPECT_THAT(With("/truncation", {{"max_length", 7}}), HasSubstr("truncation"));
  EXPECT_THAT(With("/padding", {{"strategy", "BatchLongest"}}), HasSubstr("padding"));
}

TEST(TokenizerRefusal, AddedTokens) {
  EXPECT_THAT(With("/added_tokens/1/lstrip", true), HasSubstr("added_tokens[1]: '<eos>': lstrip"));
  EXPECT_THAT(With("/added_tokens/1/rstrip", true), HasSubstr("rstrip"));
  EXPECT_THAT(With("/added_tokens/1/single_word", true), HasSubstr("single_word"));
  EXPECT_THAT(With("/added_tokens/1/normalized", true), HasSubstr("normalized"));
  EXPECT_THAT(With("/added_tokens/1/content", ""), HasSubstr("content"));
  EXPECT_THAT(With("/added_tokens/1/content", std::string(300, 'x')), HasSubstr("content"));
  EXPECT_THAT(With("/added_tokens/1/content", "<bos>"), HasSubstr("twice"));
  EXPECT_THAT(With("/added_tokens/1/id", 7), HasSubstr("is not the one that model.vocab gives"));
  EXPECT_THAT(With("/added_tokens/1/id", -1), HasSubstr("an id is expected"));
  EXPECT_THAT(With("/added_tokens/1/id", 1 << 20), HasSubstr("too large"));
  EXPECT_THAT(With("/added_tokens", 7), HasSubstr("added_tokens"));
}

TEST(TokenizerRefusal, Vocabulary) {
  EXPECT_THAT(Without("/model/vocab", "<0x0A>"), HasSubstr("<0x0A> is missing"));
  EXPECT_THAT(With("/model/vocab/a", 261), HasSubstr("same id 261"));
  EXPECT_THAT(With("/model/vocab/a", 100000), HasSubstr("too large"));
  EXPECT_THAT(With("/model/vocab/a", -1), HasSubstr("model.vocab"));
  EXPECT_THAT(With("/model/vocab/a", "1"), HasSubstr("model.vocab"));
  EXPECT_THAT(With("/model/vocab/a", Json::object()), HasSubstr("model.vocab: 'a'"));
  EXPECT_THAT(With("/model/vocab/a", uint64_t{1} << 63), HasSubstr("too large"));
  EXPECT_THAT(Without("/model", "vocab"), HasSubstr("model.vocab"));
  EXPECT_THAT(With("/model/vocab", Json::array()), HasSubstr("model.vocab"));
  std::string twice = Sound().dump();
  twice.replace(twice.find("\"b\":261"), 7, "\"a\":261");
  EXPECT_THAT(RefusalOfText(twice), HasSubstr("duplicate key 'a'"));
}

TEST(TokenizerRefusal, NoBos) {
  Json json = Sound();
  json["model"]["vocab"].erase("<bos>");
  json["added_tokens"].erase(2);
  EXPECT_THAT(RefusalOfText(json.dump()), HasSubstr("<bos>"));
}

TEST(TokenizerRefusal, Merges) {
  EXPECT_THAT(With("/model/merges/0", Json::array({"a", "c"})),
              HasSubstr("model.merges[0]: 'c' is not in the vocabulary"));
  EXPECT_THAT(With("/model/merges/0", Json::array({"b", "a"})), HasSubstr("'ba' is not in the vocabulary"));
  EXPECT_THAT(With("/model/merges/0", Json::array({"a"})), HasSubstr("two pieces"));
  EXPECT_THAT(With("/model/merges/0", Json::array({"a", "b", "b"})), HasSubstr("more than two"));
  EXPECT_THAT(With("/model/merges/0", Json::array({"a", 1})), HasSubstr("model.merges[0]"));
  EXPECT_THAT(With("/model/merges/0", "ab"), HasSubstr("one space"));
  EXPECT_THAT(With("/model/merges/0", "a b c"), HasSubstr("one space"));
  EXPECT_THAT(With("/model/merges/0", 1), HasSubstr("model.merges[0]"));
  EXPECT_THAT(With("/model/merges/0", nullptr), HasSubstr("model.merges[0]"));
  EXPECT_THAT(Without("/model", "merges"), HasSubstr("model.merges"));
  EXPECT_THAT(With("/model/merges", Json::object()), HasSubstr("model.merges"));
}

TEST(TokenizerRefusal, Text) {
  const std::string sound = Sound().dump();
  EXPECT_THAT(RefusalOfText(""), HasSubstr("not JSON"));
  EXPECT_THAT(RefusalOfText("[]"), HasSubstr("an object is expected"));
  EXPECT_THAT(RefusalOfText("7"), HasSubstr("an object is expected"));
  EXPECT_THAT(RefusalOfText("{}"), HasSubstr("model.vocab"));
  EXPECT_THAT(RefusalOfText("{\"model\":[{\"vocab\":{}}]}"), HasSubstr("model.vocab"));
  EXPECT_THAT(RefusalOfText(sound + "x"), HasSubstr("not JSON at byte"));
  EXPECT_THAT(RefusalOfText(sound + std::string(1, '\0') + "{"), HasSubstr("NUL"));
  EXPECT_THAT(RefusalOfText(sound.substr(0, sound.size() - 1)), HasSubstr("not JSON at byte"));
  EXPECT_THAT(RefusalOfText("{\"model\":1,\"model\":2}"), HasSubstr("duplicate key 'model'"));
  EXPECT_THAT(RefusalOfText("{\"x\":" + std::string(1000000, '[')), HasSubstr("nested deeper"));
  for (size_t size = 0; size < sound.size(); size += 7) EXPECT_NE(RefusalOfText(sound.substr(0, size)), "accepted");
}

}  // namespace
}  // namespace sub1quant
