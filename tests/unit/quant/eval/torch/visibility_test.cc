// Who may see whom: causality, the sliding window, the tensors that must have no effect, and bit-identity over threads.
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/unit/quant/eval/torch/model_files.h"

namespace sub1quant {
namespace {

constexpr int64_t kVocabulary = 64, kHidden = 32;
const std::vector<int32_t> kIds = {2, 5, 17, 63, 0, 9, 33, 41, 7, 12};

// Positions whose row of `name` differs between two sequences.
std::vector<size_t> ChangedRows(const Scorer::Trace& a, const Scorer::Trace& b, const std::string& name,
                                int64_t width) {
  const std::vector<float> left = TraceRow(a, name), right = TraceRow(b, name);
  std::vector<size_t> changed;
  for (size_t t = 0; t * width < left.size(); ++t) {
    const auto row = left.begin() + static_cast<int64_t>(t) * width;
    if (!std::equal(row, row + width, right.begin() + static_cast<int64_t>(t) * width)) changed.push_back(t);
  }
  return changed;
}

TEST(Visibility, AChangedTokenDoesNotReachBack) {
  const auto scorer = LoadScorer(GoldenModel());
  const Scorer::Trace base = scorer->TraceSequence(kIds).value();
  for (size_t t = 0; t < kIds.size(); ++t) {
    std::vector<int32_t> ids = kIds;
    ids[t] = 50;
    const auto changed = ChangedRows(base, scorer->TraceSequence(ids).value(), "logits", kVocabulary);
    ASSERT_FALSE(changed.empty());
    EXPECT_EQ(changed.front(), t);
    EXPECT_EQ(changed.size(), kIds.size() - t) << "full layers carry it to every later position";
  }
}

TEST(Visibility, TheSlidingWindowEndsWhereItShould) {
  // Layers 0 and 1 are sliding with window 4: one layer reaches 3 positions back, two reach 6.
  const auto scorer = LoadScorer(GoldenModel());
  std::vector<int32_t> ids = kIds;
  ids[0] = 50;
  const Scorer::Trace a = scorer->TraceSequence(kIds).value(), b = scorer->TraceSequence(ids).value();
  EXPECT_EQ(ChangedRows(a, b, "layer.0", kHidden), (std::vector<size_t>{0, 1, 2, 3}));
  EXPECT_EQ(ChangedRows(a, b, "layer.1", kHidden), (std::vector<size_t>{0, 1, 2, 3, 4, 5, 6}));
}

TEST(Visibility, KeysAndValuesOfSharingLayersHaveNoEffect) {
  TestModel model = GoldenModel();
  const auto base = LoadScorer(model)->TraceSequence(kIds).value();
  for (const int layer : {4, 5, 6}) {
    for (const std::string name : {"k_proj", "v_proj", "k_norm"}) {
      std::string& bytes =
          model.tensors.at(absl::StrCat("model.language_model.layers.", layer, ".self_attn.", name, ".weight")).bytes;
      std::fill(bytes.begin(), bytes.end(), '\x3f');
    }
  }
  EXPECT_EQ(LoadScorer(model)->TraceSequence(kIds).value().nll, base.nll);
  for (auto it = model.tensors.begin(); it != model.tensors.end();) {
    const bool shared =
        absl::StrContains(it->first, "layers.5.self_attn.k_") || absl::StrContains(it->first, "layers.5.self_attn.v_");
    it = shared ? model.tensors.erase(it) : std::next(it);
  }
  EXPECT_EQ(LoadScorer(model)->TraceSequence(kIds).value().nll, base.nll) << "they may even be absent";
  // The test can fail: the same change in a layer that does not share.
  std::string& bytes = model.tensors.at("model.language_model.layers.3.self_attn.v_proj.weight").bytes;
  std::fill(bytes.begin(), bytes.end(), '\x3f');
  EXPECT_NE(LoadScorer(model)->TraceSequence(kIds).value().nll, base.nll);
}

TEST(Visibility, LayerScalarMayBeAbsentAndIsThenOne) {
  TestModel model = GoldenModel();
  model.tensors.at("model.language_model.layers.3.layer_scalar").bytes = ToBf16Bytes({1.0f});
  const auto ones = LoadScorer(model)->TraceSequence(kIds).value();
  model.tensors.erase("model.language_model.layers.3.layer_scalar");
  EXPECT_EQ(LoadScorer(model)->TraceSequence(kIds).value().nll, ones.nll);
}

TEST(Visibility, TextOnlyNamesGiveTheSameModel) {
  TestModel multimodal = GoldenModel(), text = GoldenModel();
  text.tensors.clear();
  for (const auto& [key, tensor] : multimodal.tensors) {
    text.tensors["model." + key.substr(std::string("model.language_model.").size())] = tensor;
  }
  EXPECT_EQ(LoadScorer(text)->TraceSequence(kIds).value().nll, LoadScorer(multimodal)->TraceSequence(kIds).value().nll);
}

TEST(Visibility, WithoutPerLayerInputsTheirTensorsAreNotNeeded) {
  TestModel model = GoldenModel();
  const std::string field = "\"hidden_size_per_layer_input\": 8";
  model.config_json.replace(model.config_json.find(field), field.size(), "\"hidden_size_per_layer_input\": 0");
  for (auto it = model.tensors.begin(); it != model.tensors.end();) {
    it = absl::StrContains(it->first, "per_layer") ? model.tensors.erase(it) : std::next(it);
  }
  EXPECT_EQ(LoadScorer(model)->TraceSequence(kIds).value().nll.size(), 9u);
}

TEST(Visibility, ReplacedIdsAreEmbeddedAsPadAndStayLabels) {
  TestModel model = GoldenModel();
  const auto plain = LoadScorer(model);
  model.config_json.replace(0, 1, R"({"image_token_id": 60, "audio_token_id": 61, "video_token_id": 62, )");
  const auto replacing = LoadScorer(model);
  const std::vector<int32_t> ids = {2, 5, 60, 7, 61, 3}, padded = {2, 5, 0, 7, 0, 3};
  const auto got = replacing->TraceSequence(ids).value(), want = plain->TraceSequence(padded).value();
  EXPECT_EQ(TraceRow(got, "logits"), TraceRow(want, "logits"));
  EXPECT_EQ(got.nll[0], want.nll[0]);
  EXPECT_NE(got.nll[1], want.nll[1]) << "the label keeps its id";
}

}  // namespace
}  // namespace sub1quant
