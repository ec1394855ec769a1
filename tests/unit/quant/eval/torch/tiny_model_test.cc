// gemma4-tiny against transformers (tests/testdata/gemma4-tiny-golden): activations, losses, both protocols, both
// compute types.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/file.h"
#include "core/json.h"
#include "quant/eval/aggregate.h"
#include "quant/eval/tokenizer.h"
#include "tests/unit/quant/eval/torch/model_files.h"

namespace sub1quant {
namespace {

void ExpectRows(const std::vector<float>& all, const std::vector<float>& golden,
                const std::vector<int64_t>& positions) {
  const size_t width = golden.size() / positions.size();
  ASSERT_EQ(golden.size(), width * positions.size());
  for (size_t i = 0; i < golden.size(); ++i) {
    const size_t row = static_cast<size_t>(positions[i / width]);
    ASSERT_NEAR(all.at(row * width + i % width), golden[i], 1e-4) << "row " << row << ", column " << i % width;
  }
}

class TinyActivations : public testing::TestWithParam<std::string> {};

TEST_P(TinyActivations, MatchTransformers) {
  const std::string window = GetParam();
  const auto scorer = LoadScorer(TinyModelDirectory());
  const Scorer::Trace trace = scorer->TraceSequence(GoldenInts(window + ".ids")).value();
  std::vector<std::string> names = {"embedding", "final_norm"};
  for (int layer = 0; layer < 7; ++layer) names.push_back(absl::StrCat("layer.", layer));
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    ExpectRows(TraceRow(trace, name), GoldenFloats(window + "." + name), {0, 200, 511});
  }
  const std::vector<float> logits = TraceRow(trace, "logits");
  ExpectRows(logits, GoldenFloats(window + ".logits"), {0, 1, 127, 128, 129, 511});
  const std::vector<float> nll = GoldenFloats(window + ".nll");
  ASSERT_EQ(trace.nll.size(), nll.size());
  for (size_t t = 0; t < nll.size(); ++t) EXPECT_NEAR(trace.nll[t], nll[t], 1e-4) << t;
  const std::vector<int32_t> argmax = GoldenInts(window + ".argmax");
  const auto vocabulary = static_cast<int64_t>(logits.size() / argmax.size());
  for (size_t t = 0; t < argmax.size(); ++t) {
    const auto row = logits.begin() + static_cast<int64_t>(t) * vocabulary;
    EXPECT_EQ(std::max_element(row, row + vocabulary) - row, argmax[t]) << t;
  }
}

INSTANTIATE_TEST_SUITE_P(Windows, TinyActivations, testing::Values("window0", "window1"));

const std::vector<int32_t>& CanonicalTokens() {
  static const std::vector<int32_t> tokens = [] {
    const auto tokenizer = Tokenizer::Parse(ReadFile(TinyModelDirectory() + "/tokenizer.json").value()).value();
    return TokenizeCorpus(*tokenizer, ReadFile(SUB1QUANT_TESTDATA "/wikitext-2/wiki.test.raw").value()).value();
  }();
  return tokens;
}

std::vector<Window> Plan(bool bos_per_window, int64_t limit) {
  const auto count = static_cast<int64_t>(CanonicalTokens().size());
  return bos_per_window ? PlanBosPerWindow(count, 512, limit).value() : PlanPublished(count, 512, 512, limit).value();
}

std::vector<double> GoldenLosses(const std::string& run, bool bos_per_window) {
  static const Json golden =
      ParseJson(ReadFile(SUB1QUANT_TESTDATA "/gemma4-tiny-golden/perplexity.json").value()).value();
  return golden["runs"][run][bos_per_window ? "bos_window" : "published"]["losses"].get<std::vector<double>>();
}

// Losses of the first `limit` windows, and the perplexity over them.
void ExpectLosses(const std::string& dtype, bool bos_per_window, int64_t limit, double tolerance,
                  double ppl_tolerance) {
  const auto scorer = LoadScorer(TinyModelDirectory(), {.dtype = dtype, .threads = 2});
  EXPECT_EQ(scorer->dtype(), dtype);
  const auto scores = scorer->Score(CanonicalTokens(), Plan(bos_per_window, limit), 0, nullptr).value();
  const std::vector<double> want = GoldenLosses(dtype, bos_per_window);
  double golden_sum = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    EXPECT_EQ(scores[i].scored, 511);
    EXPECT_EQ(scores[i].weight, bos_per_window ? 511 : 512);
    EXPECT_NEAR(scores[i].nll.ToDouble() / 511, want[i], tolerance) << "window " << i;
    golden_sum += want[i];
  }
  const double golden = std::exp(golden_sum / static_cast<double>(limit));  // all of these windows have one length
  const auto got = bos_per_window ? AggregateBosPerWindow(scores) : AggregatePublished(scores);
  EXPECT_NEAR(got.value().perplexity, golden, ppl_tolerance * golden);
}

TEST(TinyLosses, PublishedProtocolFloat32) { ExpectLosses("float32", false, 32, 2e-5, 2e-6); }
TEST(TinyLosses, BosPerWindowFloat32) { ExpectLosses("float32", true, 16, 2e-5, 2e-6); }
TEST(TinyLosses, PublishedProtocolBfloat16) { ExpectLosses("bfloat16", false, 64, 5e-3, 2e-4); }
TEST(TinyLosses, BosPerWindowBfloat16) { ExpectLosses("bfloat16", true, 64, 5e-3, 2e-4); }

TEST(TinyLosses, BitIdenticalWhateverTheThreadsAndTheCompany) {
  for (const std::string dtype : {"float32", "bfloat16"}) {
    const std::vector<Window> windows = Plan(false, 6);
    const auto one = LoadScorer(TinyModelDirectory(), {.dtype = dtype, .threads = 1});
    const auto two = LoadScorer(TinyModelDirectory(), {.dtype = dtype, .threads = 2});
    const auto a = one->Score(CanonicalTokens(), windows, 0, nullptr).value();
    const auto b = two->Score(CanonicalTokens(), windows, 0, nullptr).value();
    for (size_t i = 0; i < windows.size(); ++i) {
      EXPECT_EQ(a[i].nll, b[i].nll) << dtype << " window " << i;
      EXPECT_EQ(a[i].nll_squared, b[i].nll_squared);
    }
    const auto alone = two->Score(CanonicalTokens(), {windows[4]}, 4, nullptr).value();
    EXPECT_EQ(alone[0].nll, a[4].nll) << dtype;
  }
}

// Weights read anew a layer at a time give the bits of weights in memory, alone or with an artifact's matrices.
TEST(TinyLosses, BitIdenticalWhereTheWeightsDoNotFitIntoMemory) {
  InitializeTorch();
  const auto source = OpenModelDirectory(TinyModelDirectory()).value();
  const std::vector<Window> windows = Plan(false, 3);
  for (const std::string dtype : {"float32", "bfloat16"}) {
    const auto kept = Scorer::Load(*source, {}, {.dtype = dtype, .threads = 2}).value();
    const auto streamed = Scorer::Load(*source, {}, {.dtype = dtype, .threads = 2, .memory_bytes = 1}).value();
    EXPECT_TRUE(kept->in_memory());
    EXPECT_FALSE(streamed->in_memory());
    const auto want = kept->Score(CanonicalTokens(), windows, 0, nullptr).value();
    for (int repeat = 0; repeat < 2; ++repeat) {
      const auto got = streamed->Score(CanonicalTokens(), windows, 0, nullptr).value();
      for (size_t i = 0; i < windows.size(); ++i) EXPECT_EQ(got[i].nll, want[i].nll) << dtype << " window " << i;
    }
    EXPECT_EQ(streamed->TraceSequence({2, 7, 9}).value().nll, kept->TraceSequence({2, 7, 9}).value().nll);
  }
}

TEST(TinyLosses, LongWindowsCrossTheRowTilesOfTheHead) {
  const auto scorer = LoadScorer(TinyModelDirectory());
  const std::vector<int32_t> ids(CanonicalTokens().begin(), CanonicalTokens().begin() + 1300);
  const Scorer::Trace trace = scorer->TraceSequence(ids).value();
  const std::vector<float> logits = TraceRow(trace, "logits");
  const size_t vocabulary = logits.size() / ids.size();
  for (size_t t = 0; t + 1 < ids.size(); ++t) {
    double sum = 0;
    for (size_t v = 0; v < vocabulary; ++v) sum += std::exp(static_cast<double>(logits[t * vocabulary + v]));
    ASSERT_NEAR(trace.nll[t], std::log(sum) - logits[t * vocabulary + static_cast<size_t>(ids[t + 1])], 2e-5) << t;
  }
}

// The head multiplies a multiple of 16 rows where the window has them: neighbours of the rows that count may stand in
// front of them, or behind. The last predictions have the losses that they have among all.
TEST(TinyLosses, RowsThatOnlyFillABlockDoNotCount) {
  const auto scorer = LoadScorer(TinyModelDirectory());
  constexpr int64_t kLength = 100;
  const std::vector<int32_t> ids(CanonicalTokens().begin(), CanonicalTokens().begin() + kLength);
  const std::vector<float> all = scorer->TraceSequence(ids).value().nll;
  for (const int64_t targets : {1, 15, 16, 17, 80, 97, 98, 99}) {
    const Window window{.begin = 0, .end = kLength, .targets = targets, .weight = 1};
    const auto scores = scorer->Score(ids, {window}, 0, nullptr).value();
    const double want = std::accumulate(all.end() - targets, all.end(), 0.0);
    EXPECT_NEAR(scores[0].nll.ToDouble(), want, 1e-5 * static_cast<double>(targets)) << targets;
  }
}

}  // namespace
}  // namespace sub1quant
