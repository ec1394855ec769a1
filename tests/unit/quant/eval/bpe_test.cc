#include "quant/eval/bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include "core/file.h"
#include "quant/eval/tokenizer.h"
#include "tests/unit/quant/eval/toy_tokenizer.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;

const std::string kMeta = "\xE2\x96\x81";

Bpe BuildBpe(const std::string& json) {
  auto file = ParseTokenizerFile(json);
  EXPECT_TRUE(file.ok()) << file.status();
  auto bpe = Bpe::Build(*file);
  EXPECT_TRUE(bpe.ok()) << bpe.status();
  return *std::move(bpe);
}

std::vector<int32_t> Whole(const Bpe& bpe, const std::string& text) {
  std::vector<int32_t> ids;
  bpe.EncodeWhole(text, ids);
  return ids;
}

std::vector<int32_t> Cut(const Bpe& bpe, const std::string& text) {
  std::vector<int32_t> ids;
  bpe.EncodeCut(text, ids);
  return ids;
}

// The definition, word for word: look through all pairs, merge the leftmost of the smallest rank, again and again.
std::vector<int32_t> Definition(const Json& tokenizer, const std::string& text) {
  const Json& vocab = tokenizer["model"]["vocab"];
  std::map<std::pair<std::string, std::string>, size_t> ranks;
  for (const Json& merge : tokenizer["model"]["merges"]) ranks.emplace(std::pair(merge[0], merge[1]), ranks.size());
  std::vector<std::string> symbols;
  for (size_t i = 0; i < text.size();) {
    size_t length = 1;
    while (i + length < text.size() && (static_cast<unsigned char>(text[i + length]) & 0xC0) == 0x80) ++length;
    const std::string character = text.substr(i, length);
    if (vocab.contains(character)) {
      symbols.push_back(character);
    } else {
      for (const unsigned char byte : character) {
        char name[8];
        std::snprintf(name, sizeof name, "<0x%02X>", byte);
        symbols.push_back(name);
      }
    }
    i += length;
  }
  while (true) {
    size_t best = ranks.size(), at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = ranks.find({symbols[i], symbols[i + 1]});
      if (found != ranks.end() && found->second < best) best = found->second, at = i;
    }
    if (best == ranks.size()) break;
    symbols[at] += symbols[at + 1];
    symbols.erase(symbols.begin() + static_cast<int64_t>(at) + 1);
  }
  std::vector<int32_t> ids;
  for (const std::string& symbol : symbols) ids.push_back(vocab[symbol].get<int32_t>());
  return ids;
}

TEST(Bpe, SmallestRankFirstThenLeftmost) {
  // Ids: a 260, b 261, aa 262, aaa 263, ab 264.
  const Json json = ToyTokenizer({"a", "b", "aa", "aaa", "ab"}, {{"a", "b"}, {"a", "a"}, {"aa", "a"}});
  const Bpe bpe = BuildBpe(json.dump());
  EXPECT_THAT(Whole(bpe, "aab"), ElementsAre(260, 264));  // "ab" wins over "aa", which comes first in the text
  EXPECT_THAT(Whole(bpe, "aaa"), ElementsAre(263));
  EXPECT_THAT(Whole(bpe, "aaaa"), ElementsAre(262, 262));
  EXPECT_THAT(Whole(bpe, ""), ElementsAre());
}

TEST(Bpe, BothSpellingsOfMerges) {
  const std::vector<std::string> pieces = {"a", "b", kMeta, "ab", kMeta + "ab"};
  const ToyMerges merges = {{"a", "b"}, {kMeta, "ab"}};
  for (const bool as_strings : {false, true}) {
    const Bpe bpe = BuildBpe(ToyTokenizer(pieces, merges, as_strings).dump());
    EXPECT_THAT(Whole(bpe, kMeta + "ab"), ElementsAre(264)) << as_strings;
  }
}

TEST(Bpe, UnknownCharactersBecomeBytesThatMayMerge) {
  const Bpe bpe = BuildBpe(ToyTokenizer({"a", "<0xC3><0xA9>"}, {{"<0xC3>", "<0xA9>"}}).dump());
  EXPECT_THAT(Whole(bpe, "a\xC3\xA9"), ElementsAre(260, 261));
  EXPECT_THAT(Whole(bpe, "\xF0\x9F\x8E\x89"), ElementsAre(4 + 0xF0, 4 + 0x9F, 4 + 0x8E, 4 + 0x89));
}

TEST(Bpe, KeysMayBeEscaped) {
  // The same piece as \u escapes and a surrogate pair.
  const std::string json = ToyTokenizer({"PIECE"}, {}).dump();
  std::string escaped = json;
  escaped.replace(escaped.find("\"PIECE\""), 7, "\"\\ud83c\\udf89\"");
  EXPECT_THAT(Whole(BuildBpe(escaped), "\xF0\x9F\x8E\x89"), ElementsAre(260));
}

// Random vocabularies over a small alphabet, in which pieces may reach over the places where EncodeCut would like to
// cut.
TEST(Bpe, BothWaysEqualTheDefinitionOnRandomVocabularies) {
  const char* given = std::getenv("SUB1QUANT_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("seed %llu (SUB1QUANT_SEED replays it)\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  int with_cuts = 0, without_cuts = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> pieces = {"a", "b", kMeta, "\n"};
    ToyMerges merges;
    const bool tame = round % 2 == 0;
    while (merges.size() < 12) {
      const std::string& left = pieces[random() % pieces.size()];
      const std::string& right = pieces[random() % pieces.size()];
      const bool across = (right.compare(0, 3, kMeta) == 0 && left.find_first_of("ab\n") != std::string::npos) ||
                          ((left + right).find('\n') != std::string::npos &&
                           (left + right).find_first_not_of('\n') != std::string::npos);
      if (tame && across) continue;
      if (std::find(merges.begin(), merges.end(), std::pair(left, right)) != merges.end()) continue;
      const std::string whole = left + right;
      merges.emplace_back(left, right);
      if (std::find(pieces.begin(), pieces.end(), whole) == pieces.end()) pieces.push_back(whole);
    }
    std::shuffle(merges.begin(), merges.end(), random);
    const Json json = ToyTokenizer(pieces, merges);
    const Bpe bpe = BuildBpe(json.dump());
    if (tame) {
      ASSERT_TRUE(bpe.cuts_before_metaspace() && bpe.cuts_around_newlines());
    }
    (bpe.cuts_before_metaspace() ? with_cuts : without_cuts)++;
    for (int text_round = 0; text_round < 20; ++text_round) {
      std::string text;
      const char* const characters[] = {"a", "b", kMeta.c_str(), "\n", "\xC3\xA9"};
      for (uint64_t length = random() % 60; length > 0; --length) text += characters[random() % 40 % 5];
      const std::vector<int32_t> expected = Definition(json, text);
      ASSERT_EQ(Whole(bpe, text), expected) << "round " << round << ": " << text;
      ASSERT_EQ(Cut(bpe, text), expected) << "round " << round << ": " << text;
    }
  }
  EXPECT_GT(with_cuts, 100);
  EXPECT_GT(without_cuts, 100);
}

TEST(Bpe, CutsAreOffWhereAPieceReachesAcross) {
  EXPECT_FALSE(BuildBpe(ToyTokenizer({"a", kMeta, "a" + kMeta}, {}).dump()).cuts_before_metaspace());
  EXPECT_TRUE(BuildBpe(ToyTokenizer({"a", kMeta, kMeta + kMeta + "a"}, {}).dump()).cuts_before_metaspace());
  EXPECT_FALSE(BuildBpe(ToyTokenizer({"a\n"}, {}).dump()).cuts_around_newlines());
  EXPECT_FALSE(BuildBpe(ToyTokenizer({"\n" + kMeta}, {}).dump()).cuts_around_newlines());
  EXPECT_TRUE(BuildBpe(ToyTokenizer({"\n\n"}, {}).dump()).cuts_around_newlines());
}

std::string NormalizedCorpus() {
  const std::string corpus = ReadFile(SUB1QUANT_TESTDATA "/wikitext-2/wiki.test.raw").value();
  std::string text;
  for (const char c : corpus) {
    if (c == ' ')
      text += kMeta;
    else
      text += c;
  }
  return text;
}

// 1.3 MB as one word: a scan over all pairs per merge would take hours.
TEST(Bpe, BothWaysAgreeOnTheWholeCorpus) {
  const Bpe bpe = BuildBpe(ReadFile(SUB1QUANT_TESTDATA "/gemma4-tiny/tokenizer.json").value());
  EXPECT_TRUE(bpe.cuts_before_metaspace());
  EXPECT_TRUE(bpe.cuts_around_newlines());
  const std::string corpus = NormalizedCorpus();
  EXPECT_EQ(Whole(bpe, corpus), Cut(bpe, corpus));
}

TEST(Bpe, OneWordWithoutAnyPlaceToCut) {
  const Bpe bpe = BuildBpe(ToyTokenizer({"a", "aa", "aaaa"}, {{"a", "a"}, {"aa", "aa"}}).dump());
  EXPECT_EQ(Cut(bpe, std::string(1300000, 'a')), std::vector<int32_t>(1300000 / 4, 262));
}

TEST(AddedTokens, LeftmostThenLongestAndNotNormalized) {
  Json json = ToyTokenizer({"<", ">", "x", kMeta, "<x", "<x>", "<x>>", "> <"}, {{"<", "x"}});
  const auto add = [&](const char* content, int id) {
    Json token = json["added_tokens"][0];
    token["content"] = content;
    token["id"] = id;
    json["added_tokens"].push_back(token);
  };
  add("<x>", 265);
  add("<x>>", 266);
  add("> <", 267);
  auto tokenizer = Tokenizer::Parse(json.dump());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT((*tokenizer)->Encode("<x>>").value(), ElementsAre(266));
  EXPECT_THAT((*tokenizer)->Encode("<x> <x").value(), ElementsAre(265, 263, 264));
  EXPECT_THAT((*tokenizer)->Encode("x> <x>").value(), ElementsAre(262, 267, 262, 261));
  EXPECT_THAT((*tokenizer)->Encode("<bos>x<eos").value().front(), 2);
  EXPECT_THAT((*tokenizer)->Encode("").value(), ElementsAre());
}

TEST(Decode, BytesSpacesAndUnknownIds) {
  auto tokenizer = Tokenizer::Parse(ToyTokenizer({"a", kMeta + "a" + kMeta}, {}).dump());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->Decode({4 + 0xC3, 4 + 0xA9, 260}),
            "\xC3\xA9"
            "a");
  EXPECT_EQ((*tokenizer)->Decode({4 + 0xC3, 260, 4 + 0xA9}),
            "\xEF\xBF\xBD"
            "a"
            "\xEF\xBF\xBD");
  EXPECT_EQ((*tokenizer)->Decode({261, -1, 1 << 30, 2}), " a <bos>");
  EXPECT_EQ((*tokenizer)->vocab_size(), 262);
}

}  // namespace
}  // namespace sub1quant
