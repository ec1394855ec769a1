// Ids recorded from Hugging Face's tokenizers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/digest.h"
#include "core/file.h"
#include "core/json.h"
#include "quant/eval/corpus.h"
#include "quant/eval/tokenizer.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

const Tokenizer& Tiny() {
  static const auto* tokenizer = new std::unique_ptr<Tokenizer>(
      Tokenizer::Parse(ReadFile(SUB1QUANT_TESTDATA "/gemma4-tiny/tokenizer.json").value()).value());
  return **tokenizer;
}

Json Golden(const std::string& name) {
  return ParseJson(ReadFile(SUB1QUANT_TESTDATA "/gemma4-tiny-golden/" + name).value()).value();
}

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

// The spelling of tests/testdata/wikitext-2/README.md: every line that is a single space becomes nothing, the others
// keep their line feed, and the rows are joined with line feeds.
std::string JoinedSpelling(const std::string& canonical) {
  std::string joined;
  bool first = true;
  for (size_t begin = 0; begin < canonical.size();) {
    const size_t end = canonical.find('\n', begin);
    const std::string line = canonical.substr(begin, end - begin);
    if (!first) joined += '\n';
    first = false;
    if (line != " ") joined += line + "\n";
    begin = end + 1;
  }
  return joined;
}

TEST(TokenizerGolden, CasesEncodeAndDecode) {
  const Json golden = Golden("tokenizer_cases.json");
  ASSERT_EQ(golden["cases"].size(), 100u);
  for (const Json& item : golden["cases"]) {
    const std::string text = FromHex(item["utf8_hex"]);
    const auto ids = Tiny().Encode(text);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, item["ids"].get<std::vector<int32_t>>()) << text;
    EXPECT_EQ(Tiny().Decode(*ids), item["decoded"].get<std::string>()) << text;
  }
}

TEST(TokenizerGolden, InvalidUtf8IsRefused) {
  const Json golden = Golden("tokenizer_cases.json");
  for (const Json& item : golden["invalid_utf8"]) {
    const auto ids = Tiny().Encode(FromHex(item["bytes_hex"]));
    EXPECT_EQ(ids.status().code(), absl::StatusCode::kInvalidArgument) << item;
    EXPECT_THAT(ids.status().ToString(), HasSubstr("not UTF-8 at byte")) << item;
  }
  EXPECT_THAT(Tiny().Encode("ab\xFF").status().ToString(), HasSubstr("at byte 2"));
  EXPECT_THAT(TokenizeCorpus(Tiny(), "a\r\nb\xFF").status().ToString(), HasSubstr("corpus: not UTF-8 at byte 4"));
}

void ExpectTokens(const std::string& text, const Json& golden) {
  ASSERT_EQ(text.size(), golden["text_bytes"].get<size_t>());
  ASSERT_EQ(Sha256Hex(text), golden["text_sha256"].get<std::string>());
  const auto ids = TokenizeCorpus(Tiny(), text);
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_EQ(ids->size(), golden["tokens_with_bos"].get<size_t>());
  EXPECT_EQ(Sha256Hex(TokensToBytes(*ids)), golden["sha256_int32_le"].get<std::string>());
  EXPECT_EQ(TokensFromBytes(TokensToBytes(*ids)).value(), *ids);
  for (const int32_t id : *ids) ASSERT_LT(id, Tiny().vocab_size());
}

TEST(TokenizerGolden, WholeCorpusInBothSpellings) {
  const std::string canonical = ReadFile(SUB1QUANT_TESTDATA "/wikitext-2/wiki.test.raw").value();
  const Json golden = Golden("tokens.json");
  ExpectTokens(canonical, golden["canonical"]);
  ExpectTokens(JoinedSpelling(canonical), golden["joined"]);
}

TEST(TokenizerGolden, Facts) {
  EXPECT_EQ(Tiny().bos_id(), 2);
  EXPECT_EQ(Tiny().vocab_size(), 1960);
}

TEST(Corpus, LineEndsBecomeLineFeedsAndOneBosIsPrepended) {
  const auto plain = TokenizeCorpus(Tiny(), "a\nb\nc\n\n").value();
  EXPECT_EQ(plain.front(), 2);
  EXPECT_EQ(plain[1], Tiny().Encode("a").value().front());
  EXPECT_EQ(TokenizeCorpus(Tiny(), "a\r\nb\rc\n\r").value(), plain);
  EXPECT_EQ(TokenizeCorpus(Tiny(), "a\rb\r\nc\r\n\r\n").value(), plain);
  EXPECT_EQ(TokenizeCorpus(Tiny(), "").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Corpus, TokenBytes) {
  EXPECT_EQ(TokensToBytes({2, 258884}), std::string("\2\0\0\0\x44\xF3\3\0", 8));
  EXPECT_FALSE(TokensFromBytes("12345").ok());
  EXPECT_FALSE(TokensFromBytes(std::string("\0\0\0\x80", 4)).ok());
}

}  // namespace
}  // namespace sub1quant
