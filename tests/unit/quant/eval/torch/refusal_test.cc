#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "tests/unit/quant/eval/torch/model_files.h"

namespace sub1quant {
namespace {

using testing::HasSubstr;

const std::vector<int32_t> kIds = {2, 5, 17, 63, 0, 9, 33, 41, 7, 12};
const std::string kQ3 = "model.language_model.layers.3.self_attn.q_proj.weight";

void ExpectRefusal(const absl::Status& status, absl::StatusCode code, const std::string& text) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(text));
}

TEST(ScorerLoad, NamesAMissingTensor) {
  TestModel model = GoldenModel();
  model.tensors.erase(kQ3);
  ExpectRefusal(LoadStatus(model), absl::StatusCode::kInvalidArgument, "'" + kQ3 + "' is missing");
  model = GoldenModel();
  model.tensors.erase("model.language_model.embed_tokens_per_layer.weight");
  ExpectRefusal(LoadStatus(model), absl::StatusCode::kInvalidArgument, "embed_tokens_per_layer");
}

TEST(ScorerLoad, NamesAWrongShapeWithBothShapes) {
  TestModel model = GoldenModel();
  model.tensors.at(kQ3).shape = {16, 64};
  ExpectRefusal(LoadStatus(model), absl::StatusCode::kInvalidArgument, kQ3);
  ExpectRefusal(LoadStatus(model), absl::StatusCode::kInvalidArgument, "[16,64]; config.json asks for [32,32]");
}

TEST(ScorerLoad, NamesATypeThatIsNoWeight) {
  TestModel model = GoldenModel();
  model.tensors.at(kQ3).dtype = DType::kI16;
  ExpectRefusal(LoadStatus(model), absl::StatusCode::kInvalidArgument, "is I16");
}

TEST(ScorerLoad, RefusesUnknownDtypeAndDevice) {
  ExpectRefusal(LoadStatus(GoldenModel(), {.dtype = "float16"}), absl::StatusCode::kInvalidArgument, "'float16'");
  ExpectRefusal(LoadStatus(GoldenModel(), {.device = "abacus"}), absl::StatusCode::kInvalidArgument, "'abacus'");
}

TEST(ScorerLoad, AutoIsFloat32OnTheCpu) {
  const auto scorer = LoadScorer(GoldenModel());
  EXPECT_EQ(scorer->dtype(), "float32");
  EXPECT_EQ(scorer->device(), "cpu");
  EXPECT_EQ(scorer->apply_stats().replaced, 0);
}

TEST(Score, NamesAnIdOutsideTheVocabulary) {
  const auto scorer = LoadScorer(GoldenModel());
  for (const int32_t bad : {64, -1, 2147483647}) {
    const std::vector<int32_t> ids = {2, bad, 3};
    ExpectRefusal(scorer->Score(ids, {{0, 3, false, 2, 3}}, 7, nullptr).status(), absl::StatusCode::kInvalidArgument,
                  "window 7: token id " + std::to_string(bad));
  }
}

TEST(Score, RefusesWindowsThatDoNotFit) {
  const auto scorer = LoadScorer(GoldenModel());
  const std::vector<Window> bad = {{-1, 3, false, 1, 1}, {0, 11, false, 1, 1}, {5, 4, false, 1, 1},
                                   {0, 3, false, 3, 3},  {0, 3, false, 0, 3},  {4, 5, false, 1, 1}};
  for (const Window& window : bad) {
    EXPECT_EQ(scorer->Score(kIds, {window}, 0, nullptr).status().code(), absl::StatusCode::kInvalidArgument)
        << window.begin << " " << window.end << " " << window.targets;
  }
}

TEST(Score, InfiniteWeightsAreAnErrorAndNotASum) {
  TestModel model = GoldenModel();
  model.tensors.at("model.language_model.norm.weight").bytes.replace(0, 2, "\xc0\x7f");  // NaN
  const auto scorer = LoadScorer(model);
  ExpectRefusal(scorer->Score(kIds, {{0, 10, false, 9, 10}}, 0, nullptr).status(),
                absl::StatusCode::kFailedPrecondition, "window 0: the loss is not a finite number");
}

TEST(Score, ScoresTheLastTargetsOfTheInput) {
  const auto scorer = LoadScorer(GoldenModel());
  const std::vector<float> nll = scorer->TraceSequence(kIds).value().nll;
  const auto score = scorer->Score(kIds, {{0, 10, false, 4, 6}}, 3, nullptr).value()[0];
  EXPECT_EQ(score.index, 3);
  EXPECT_EQ(score.scored, 4);
  EXPECT_EQ(score.weight, 6);
  double sum = 0, squares = 0;
  for (size_t i = 5; i < 9; ++i) sum += nll[i], squares += static_cast<double>(nll[i]) * nll[i];
  EXPECT_NEAR(score.nll.ToDouble(), sum, 1e-5);
  EXPECT_NEAR(score.nll_squared.ToDouble(), squares, 1e-4);
}

TEST(Score, PrependsBos) {
  const auto scorer = LoadScorer(GoldenModel());
  const std::vector<float> nll = scorer->TraceSequence({2, 33, 41, 7}).value().nll;
  const auto score = scorer->Score(kIds, {{6, 9, true, 3, 3}}, 0, nullptr).value()[0];
  EXPECT_NEAR(score.nll.ToDouble(), nll[0] + nll[1] + nll[2], 1e-5);
}

TEST(Score, ProgressCountsAndStops) {
  const auto scorer = LoadScorer(GoldenModel(), {.threads = 2});
  const std::vector<Window> windows(5, Window{0, 10, false, 9, 10});
  std::vector<int64_t> seen;
  ASSERT_TRUE(scorer->Score(kIds, windows, 0, [&](int64_t done) { return seen.push_back(done), true; }).ok());
  EXPECT_EQ(seen, (std::vector<int64_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(scorer->Score(kIds, windows, 0, [](int64_t done) { return done < 2; }).status().code(),
            absl::StatusCode::kCancelled);
}

TEST(Trace, RefusesAnEmptySequenceAndTakesOneToken) {
  const auto scorer = LoadScorer(GoldenModel());
  EXPECT_EQ(scorer->TraceSequence({}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(scorer->TraceSequence({5}).value().nll.empty());
}

}  // namespace
}  // namespace sub1quant
