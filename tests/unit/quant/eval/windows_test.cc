#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quant/eval/corpus.h"

namespace sub1quant {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Refusal(const absl::StatusOr<std::vector<Window>>& windows) {
  if (windows.ok()) return "accepted";
  EXPECT_EQ(windows.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(windows.status().message());
}

// The published tool's loop, label by label: positions before the last `trg_len` are masked, then labels shift by one.
std::vector<Window> Brute(int64_t tokens, int64_t window, int64_t stride) {
  std::vector<Window> windows;
  int64_t previous_end = 0;
  for (int64_t begin = 0; begin < tokens; begin += stride) {
    const int64_t end = std::min(begin + window, tokens);
    const int64_t target_length = end - previous_end;
    int64_t scored = 0;
    for (int64_t label = 1; label < end - begin; ++label) scored += label >= (end - begin) - target_length ? 1 : 0;
    windows.push_back({begin, end, false, scored, target_length});
    previous_end = end;
    if (end == tokens) break;
  }
  return windows;
}

void ExpectEqual(const std::vector<Window>& actual, const std::vector<Window>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_EQ(actual[i].begin, expected[i].begin);
    EXPECT_EQ(actual[i].end, expected[i].end);
    EXPECT_EQ(actual[i].targets, expected[i].targets);
    EXPECT_EQ(actual[i].weight, expected[i].weight);
    EXPECT_EQ(actual[i].prepend_bos, expected[i].prepend_bos);
  }
}

TEST(PlanPublished, ChunkArithmetic) {
  const struct {
    int64_t tokens;
    size_t chunks;
    int64_t last;
  } cases[] = {{2, 1, 2},    {512, 1, 512},      {514, 2, 2},       {1024, 2, 512},
               {1026, 3, 2}, {292282, 571, 442}, {453254, 886, 134}};
  for (const auto& [tokens, chunks, last] : cases) {
    const auto windows = PlanPublished(tokens, 512, 512, 0);
    ASSERT_TRUE(windows.ok()) << windows.status();
    EXPECT_EQ(windows->size(), chunks);
    EXPECT_EQ(windows->back().weight, last);
    EXPECT_EQ(windows->back().targets, last - 1);
    EXPECT_EQ(windows->back().end, tokens);
  }
}

TEST(PlanPublished, TooFewTokensAndALastChunkOfOne) {
  EXPECT_THAT(Refusal(PlanPublished(0, 512, 512, 0)), HasSubstr("0 tokens"));
  EXPECT_THAT(Refusal(PlanPublished(1, 512, 512, 0)), HasSubstr("1 tokens"));
  EXPECT_THAT(Refusal(PlanPublished(513, 512, 512, 0)), AllOf(HasSubstr("513 tokens"), HasSubstr("--max-chunks 1")));
  EXPECT_THAT(Refusal(PlanPublished(512 * 886 + 1, 512, 512, 0)),
              AllOf(HasSubstr("453633"), HasSubstr("--max-chunks 886")));
  EXPECT_THAT(Refusal(PlanPublished(513, 512, 512, 2)), HasSubstr("--max-chunks 1"));
  const auto first = PlanPublished(513, 512, 512, 1);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->size(), 1u);
  EXPECT_EQ(first->back().weight, 512);
}

TEST(PlanPublished, EveryStrideEqualsThePublishedLoop) {
  for (int64_t window = 2; window <= 9; ++window)
    for (int64_t stride = 1; stride <= window; ++stride)
      for (int64_t tokens = 2; tokens <= 40; ++tokens) {
        SCOPED_TRACE(testing::Message() << "window " << window << " stride " << stride << " tokens " << tokens);
        const std::vector<Window> expected = Brute(tokens, window, stride);
        const auto actual = PlanPublished(tokens, window, stride, 0);
        if (expected.back().targets == 0) {
          EXPECT_FALSE(actual.ok());
        } else {
          ASSERT_TRUE(actual.ok()) << actual.status();
          ExpectEqual(*actual, expected);
          int64_t weight = 0;
          for (const Window& part : *actual) weight += part.weight;
          EXPECT_EQ(weight, tokens);
        }
      }
}

TEST(PlanPublished, MaxChunksIsAPrefix) {
  const auto all = PlanPublished(453254, 512, 256, 0).value();
  auto some = PlanPublished(453254, 512, 256, 17).value();
  ASSERT_EQ(some.size(), 17u);
  ExpectEqual(some, std::vector<Window>(all.begin(), all.begin() + 17));
  EXPECT_EQ(PlanPublished(1024, 512, 512, 1000).value().size(), 2u);
}

TEST(PlanPublished, RefusesOddArguments) {
  EXPECT_THAT(Refusal(PlanPublished(100, 1, 1, 0)), HasSubstr("window 1"));
  EXPECT_THAT(Refusal(PlanPublished(100, 8, 9, 0)), HasSubstr("stride 9"));
  EXPECT_THAT(Refusal(PlanPublished(100, 8, 0, 0)), HasSubstr("stride 0"));
  EXPECT_THAT(Refusal(PlanPublished(100, 8, 8, -1)), HasSubstr("max-chunks -1"));
}

TEST(PlanBosPerWindow, ScoresEveryTokenOfTheCorpusOnce) {
  const auto windows = PlanBosPerWindow(453254, 512, 0).value();
  ASSERT_EQ(windows.size(), 887u);
  EXPECT_EQ(windows.back().targets, 507);
  int64_t next = 1;
  for (const Window& window : windows) {
    EXPECT_TRUE(window.prepend_bos);
    EXPECT_EQ(window.begin, next);
    EXPECT_EQ(window.targets, window.end - window.begin);
    EXPECT_EQ(window.weight, window.targets);
    EXPECT_LE(window.targets, 511);
    next = window.end;
  }
  EXPECT_EQ(next, 453254);
}

TEST(PlanBosPerWindow, SmallOnes) {
  EXPECT_THAT(Refusal(PlanBosPerWindow(1, 512, 0)), HasSubstr("1 tokens"));
  EXPECT_EQ(PlanBosPerWindow(2, 512, 0).value().size(), 1u);
  EXPECT_EQ(PlanBosPerWindow(512, 512, 0).value().size(), 1u);
  // A last window of one token is fine here: <bos> stands before it.
  const auto two = PlanBosPerWindow(513, 512, 0).value();
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[1].targets, 1);
  EXPECT_EQ(PlanBosPerWindow(513, 512, 1).value().size(), 1u);
}

}  // namespace
}  // namespace sub1quant
