#include "quant/eval/aggregate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "core/file.h"
#include "core/json.h"
#include "quant/eval/corpus.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

WindowScore Score(int64_t index, int64_t scored, int64_t weight, double nll) {
  WindowScore score;
  score.index = index;
  score.scored = scored;
  score.weight = weight;
  score.nll.Add(nll);
  return score;
}

// Sums as a scorer would report them for the recorded mean losses.
std::vector<WindowScore> FromGolden(const std::vector<Window>& plan, const Json& losses) {
  EXPECT_EQ(plan.size(), losses.size());
  std::vector<WindowScore> scores;
  for (size_t i = 0; i < plan.size(); ++i)
    scores.push_back(Score(static_cast<int64_t>(i), plan[i].targets, plan[i].weight,
                           losses[i].get<double>() * static_cast<double>(plan[i].targets)));
  return scores;
}

TEST(Aggregate, GoldenLossesGiveTheGoldenPerplexities) {
  constexpr double kRounding = 2e-8;  // the losses are recorded with seven decimals
  for (const char* file : {"perplexity.json", "perplexity_full.json"}) {
    const Json golden =
        ParseJson(ReadFile(std::string(SUB1QUANT_TESTDATA "/gemma4-tiny-golden/") + file).value()).value();
    for (const auto& [name, run] : golden["runs"].items()) {
      SCOPED_TRACE(std::string(file) + " " + name);
      const int64_t tokens = name == "float32_joined" ? 450321 : 453254;
      const int64_t limit =
          run.contains("limit_chunks") && run["limit_chunks"].is_number() ? run["limit_chunks"].get<int64_t>() : 0;
      const Json& published = run["published"];
      const auto chunks =
          AggregatePublished(FromGolden(PlanPublished(tokens, 512, 512, limit).value(), published["losses"]));
      ASSERT_TRUE(chunks.ok()) << chunks.status();
      EXPECT_NEAR(chunks->perplexity / published["ppl"].get<double>(), 1, kRounding);
      EXPECT_EQ(chunks->window_loss.size(), published["losses"].size());
      EXPECT_NEAR(chunks->window_loss[3], published["losses"][3].get<double>(), 1e-12);
      const Json& bos = run["bos_window"];
      const auto windows =
          AggregateBosPerWindow(FromGolden(PlanBosPerWindow(tokens, 512, limit).value(), bos["losses"]));
      ASSERT_TRUE(windows.ok()) << windows.status();
      EXPECT_NEAR(windows->perplexity / bos["ppl"].get<double>(), 1, kRounding);
    }
  }
}

TEST(Aggregate, PublishedWeighsChunksByTheirTokens) {
  // docs/gemma4_text_model.md §8.1: window 4, ten tokens.
  const auto score =
      AggregatePublished({Score(2, 1, 2, 3.742819), Score(0, 3, 4, 3 * 3.598727), Score(1, 3, 4, 3 * 4.218666)});
  ASSERT_TRUE(score.ok()) << score.status();
  EXPECT_NEAR(score->perplexity, 48.20782, 2e-5);
  EXPECT_EQ(score->scored_tokens, 7);
  EXPECT_EQ(score->weights, (std::vector<int64_t>{4, 4, 2}));
}

TEST(Aggregate, OrderDoesNotMatter) {
  std::mt19937_64 random(7);
  std::vector<WindowScore> scores;
  for (int64_t i = 0; i < 200; ++i)
    scores.push_back(Score(i, 511, 512, 511 * (4 + static_cast<double>(random() % 1000) / 777)));
  const double published = AggregatePublished(scores)->perplexity, bos = AggregateBosPerWindow(scores)->perplexity;
  for (int round = 0; round < 10; ++round) {
    std::shuffle(scores.begin(), scores.end(), random);
    EXPECT_EQ(AggregatePublished(scores)->perplexity, published);
    EXPECT_EQ(AggregateBosPerWindow(scores)->perplexity, bos);
  }
}

TEST(Aggregate, EveryWindowOnce) {
  const auto refusal = [](std::vector<WindowScore> scores) {
    const auto published = AggregatePublished(scores).status(), bos = AggregateBosPerWindow(scores).status();
    EXPECT_EQ(published.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(bos.code(), absl::StatusCode::kInvalidArgument);
    return published.ToString();
  };
  EXPECT_THAT(refusal({}), HasSubstr("no windows"));
  EXPECT_THAT(refusal({Score(0, 1, 2, 1), Score(0, 1, 2, 1)}), HasSubstr("window 1 is missing"));
  EXPECT_THAT(refusal({Score(0, 1, 2, 1), Score(2, 1, 2, 1)}), HasSubstr("window 1 is missing"));
  EXPECT_THAT(refusal({Score(1, 1, 2, 1)}), HasSubstr("window 0 is missing"));
  EXPECT_THAT(refusal({Score(-1, 1, 2, 1)}), HasSubstr("window -1"));
  EXPECT_THAT(refusal({Score(0, 0, 2, 1)}), HasSubstr("0 scored"));
  EXPECT_THAT(refusal({Score(0, 1, 0, 1)}), HasSubstr("weight 0"));
  EXPECT_THAT(refusal({Score(0, int64_t{1} << 40, 1, 1)}), HasSubstr("impossible"));
  EXPECT_THAT(refusal({Score(0, 1, 1, 1e12)}), HasSubstr("mean loss"));
}

TEST(Aggregate, NonFinitePerplexity) {
  EXPECT_THAT(AggregatePublished({Score(0, 1, 1, 1000)}).status().ToString(), HasSubstr("non-finite"));
  EXPECT_THAT(AggregateBosPerWindow({Score(0, 1, 1, 1000)}).status().ToString(), HasSubstr("non-finite"));
}

ProtocolScore Losses(const std::vector<double>& losses, const std::vector<int64_t>& weights) {
  std::vector<WindowScore> scores;
  for (size_t i = 0; i < losses.size(); ++i)
    scores.push_back(
        Score(static_cast<int64_t>(i), weights[i], weights[i], losses[i] * static_cast<double>(weights[i])));
  return AggregateBosPerWindow(scores).value();
}

TEST(ComparePaired, EqualWeightsGiveTheTextbookStandardError) {
  const ProtocolScore a = Losses({4, 5, 3, 4.5}, {8, 8, 8, 8});
  const ProtocolScore b = Losses({4.25, 5, 3.5, 4.75}, {8, 8, 8, 8});  // differences .25 0 .5 .25
  const auto paired = ComparePaired(a, b);
  ASSERT_TRUE(paired.ok()) << paired.status();
  EXPECT_EQ(paired->windows, 4);
  EXPECT_NEAR(paired->mean_loss_difference, 0.25, 1e-12);
  EXPECT_NEAR(paired->standard_error, std::sqrt((0 + 0.0625 + 0.0625 + 0) / 3 / 4), 1e-12);
  EXPECT_NEAR(paired->perplexity_ratio, std::exp(0.25), 1e-12);
  EXPECT_NEAR(paired->perplexity_difference, b.perplexity - a.perplexity, 1e-12);
}

// The formulas against a simulation: the spread of the estimate over many draws of windows.
TEST(ComparePaired, StandardErrorsMatchASimulation) {
  std::mt19937_64 random(20260629);
  std::normal_distribution<double> normal;
  const std::vector<int64_t> weights = {512, 512, 512, 512, 512, 512, 512, 512, 512, 512, 512, 512, 512, 512, 512, 134};
  const int rounds = 4000;
  double loss_square = 0, loss_error = 0, ppl_sum = 0, ppl_square = 0, ppl_error = 0;
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> a, b;
    for (size_t i = 0; i < weights.size(); ++i) {
      a.push_back(3 + 0.05 * normal(random));
      b.push_back(a.back() + 0.02 + 0.03 * normal(random));
    }
    const auto paired = ComparePaired(Losses(a, weights), Losses(b, weights)).value();
    loss_square += std::pow(paired.mean_loss_difference - 0.02, 2);
    loss_error += std::pow(paired.standard_error, 2);
    ppl_sum += paired.perplexity_difference;
    ppl_square += std::pow(paired.perplexity_difference, 2);
    ppl_error += std::pow(paired.perplexity_standard_error, 2);
  }
  EXPECT_NEAR(loss_error / loss_square, 1, 0.1);
  EXPECT_NEAR(ppl_error / (ppl_square - ppl_sum * ppl_sum / rounds), 1, 0.1);
}

TEST(ComparePaired, RefusesOtherWindowsAndImpossibleScores) {
  const ProtocolScore a = Losses({4, 5}, {8, 8});
  EXPECT_FALSE(ComparePaired(a, Losses({4}, {8})).ok());
  EXPECT_FALSE(ComparePaired(a, Losses({4, 5}, {8, 7})).ok());
  EXPECT_FALSE(ComparePaired(ProtocolScore(), ProtocolScore()).ok());
  ProtocolScore wrong = a;
  wrong.window_loss[1] = std::nan("");
  EXPECT_FALSE(ComparePaired(a, wrong).ok());
  wrong = a;
  wrong.perplexity = 0;
  EXPECT_FALSE(ComparePaired(wrong, a).ok());
  const auto single = ComparePaired(Losses({4}, {8}), Losses({5}, {8}));
  ASSERT_TRUE(single.ok());
  EXPECT_EQ(single->standard_error, 0);
}

}  // namespace
}  // namespace sub1quant
