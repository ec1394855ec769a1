// docs/gemma4_text_model.md §8.1: values of a model made by a hash, from implementations that share no code with this
// one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "quant/eval/aggregate.h"
#include "tests/unit/quant/eval/torch/model_files.h"

namespace sub1quant {
namespace {

constexpr double kTolerance = 2e-4;
const std::vector<int32_t> kIds = {2, 5, 17, 63, 0, 9, 33, 41, 7, 12};

const Scorer::Trace& GoldenTrace() {
  static const Scorer::Trace trace = [] {
    const auto scorer = LoadScorer(GoldenModel());
    return scorer->TraceSequence(kIds).value();
  }();
  return trace;
}

void ExpectAt(const std::string& name, size_t offset, const std::vector<double>& want) {
  SCOPED_TRACE(absl::StrCat(name, " at ", offset));
  const std::vector<float> got = TraceRow(GoldenTrace(), name);
  ASSERT_LE(offset + want.size(), got.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[offset + i], want[i], kTolerance) << i;
}

double SumOfMagnitudes(const std::string& name) {
  double sum = 0;
  for (const float value : TraceRow(GoldenTrace(), name)) sum += std::abs(static_cast<double>(value));
  return sum;
}

TEST(GoldenModel, HashGivesTheWeightsOfTheTable) {
  const TestModel model = GoldenModel();
  EXPECT_EQ(model.tensors.size(), 124u);
  EXPECT_EQ(model.tensors.at("model.language_model.embed_tokens.weight").bytes.substr(0, 10),
            ToBf16Bytes({-0.044921875f, 0.103515625f, 0.166015625f, 0.166015625f, -0.0078125f}));
  EXPECT_EQ(model.tensors.at("model.language_model.layers.6.mlp.down_proj.weight").bytes.substr(0, 10),
            ToBf16Bytes({0.03515625f, 0.1015625f, 0.0546875f, 0.15234375f, -0.185546875f}));
  EXPECT_EQ(model.tensors.at("model.language_model.layers.3.input_layernorm.weight").bytes.substr(0, 10),
            ToBf16Bytes({1.171875f, 0.8125f, 1.21875f, 0.765625f, 1.21875f}));
  EXPECT_EQ(model.tensors.at("model.language_model.layers.5.layer_scalar").bytes, ToBf16Bytes({0.578125f}));
}

TEST(GoldenTable, EmbeddingAndPerLayerInputs) {
  ExpectAt("embedding", 0, {0.707107, 1.204291, -0.762349, -0.718155});
  ExpectAt("layer.0.per_layer_input", 9 * 8, {1.772189, 1.041482, 0.260356, 0.668012});
  ExpectAt("layer.6.per_layer_input", 9 * 8, {1.031956, 0.128537, 0.074403, 0.897668});
}

TEST(GoldenTable, AttentionOfLayer0) {
  ExpectAt("layer.0.q", 9 * 32, {-0.065703, 2.084477, -0.228635, -1.077347});
  ExpectAt("layer.0.q", 9 * 32 + 3 * 8, {1.492362, -0.695175, -0.634681, -0.250280});
  ExpectAt("layer.0.k", 9 * 16 + 8, {-0.163912, 0.122201, -0.674035, 1.370478});
  ExpectAt("layer.0.v", 9 * 16 + 8, {1.755575, 0.875770, -1.124775, 0.982893});
  ExpectAt("layer.0.attention", 9 * 32, {0.846558, 0.881104, -0.330749, -0.157338});
}

TEST(GoldenTable, HiddenStates) {
  struct Row {
    std::string name;
    std::vector<double> values;  // t = 9, dims 0-3
    double sum;
  };
  const std::vector<Row> rows = {{"layer.0", {-0.492477, -0.751603, -1.542697, -1.126557}, 310.41111},
                                 {"layer.1", {1.966330, 1.485325, -1.356936, 0.320172}, 461.83169},
                                 {"layer.2", {0.642399, 2.766820, 2.335441, -0.451438}, 577.55785},
                                 {"layer.3", {-0.106738, 1.436110, 0.794013, -2.536085}, 646.66796},
                                 {"layer.4", {0.072003, 0.822051, -1.677103, -3.760229}, 708.75094},
                                 {"layer.5", {-0.323607, -0.654657, -0.833932, -2.762473}, 475.10993},
                                 {"layer.6", {-0.931274, -1.676895, -0.361854, -1.955267}, 556.00521},
                                 {"final_norm", {-0.486410, -0.928935, -0.154635, -0.959354}, 249.72635}};
  for (const Row& row : rows) {
    ExpectAt(row.name, 9 * 32, row.values);
    EXPECT_NEAR(SumOfMagnitudes(row.name), row.sum, kTolerance) << row.name;
  }
}

TEST(GoldenTable, LogitsAndLoss) {
  ExpectAt("logits", 0, {-0.741271, -0.259999, -0.157803, 0.947792, -0.111170, 0.992748});
  ExpectAt("logits", 4 * 64, {1.667185, -0.292990, -0.608356, -0.347693, 0.398340, -0.367385});
  ExpectAt("logits", 9 * 64, {-1.467926, -0.163916, -0.309094, 0.036454, -2.046113, 0.459422});
  EXPECT_NEAR(SumOfMagnitudes("logits"), 395.42585, kTolerance);
  const std::vector<float> logits = TraceRow(GoldenTrace(), "logits");
  const std::vector<int64_t> argmax = {35, 17, 48, 48, 53, 17, 43, 47, 55, 43};
  for (size_t t = 0; t < argmax.size(); ++t) {
    const auto row = logits.begin() + static_cast<int64_t>(t) * 64;
    EXPECT_EQ(std::max_element(row, row + 64) - row, argmax[t]) << t;
  }
  const std::vector<double> nll = {3.506673, 2.737156, 4.552352, 5.794182, 4.527667,
                                   4.375359, 5.206530, 5.018445, 4.601019};
  ASSERT_EQ(GoldenTrace().nll.size(), nll.size());
  for (size_t t = 0; t < nll.size(); ++t) EXPECT_NEAR(GoldenTrace().nll[t], nll[t], kTolerance) << t;
}

ProtocolScore Published(int64_t window) {
  const auto scorer = LoadScorer(GoldenModel());
  const auto windows = PlanPublished(static_cast<int64_t>(kIds.size()), window, window, 0).value();
  return AggregatePublished(scorer->Score(kIds, windows, 0, nullptr).value()).value();
}

TEST(GoldenTable, PerplexityOfThreeWindowLengths) {
  // 2e-4 of mean loss is 2e-4 of the perplexity, relatively.
  EXPECT_NEAR(Published(512).perplexity, 88.22865, 88 * kTolerance);
  EXPECT_NEAR(Published(5).perplexity, 70.96420, 71 * kTolerance);
  const ProtocolScore four = Published(4);
  EXPECT_NEAR(four.perplexity, 48.20782, 48 * kTolerance);
  const std::vector<double> losses = {3.598727, 4.218666, 3.742819};
  ASSERT_EQ(four.window_loss.size(), losses.size());
  for (size_t i = 0; i < losses.size(); ++i) EXPECT_NEAR(four.window_loss[i], losses[i], kTolerance) << i;
  EXPECT_EQ(four.weights, (std::vector<int64_t>{4, 4, 2}));
}

}  // namespace
}  // namespace sub1quant
