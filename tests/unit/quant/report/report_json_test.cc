#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/digest.h"
#include "quant/report/report.h"
#include "sample_inputs.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsSupersetOf;

std::vector<std::string> KeysOf(const Json& json) {
  std::vector<std::string> keys;
  for (const auto& item : json.items()) keys.push_back(item.key());
  return keys;
}

TEST(ReportJson, HasTheStableKeys) {
  const Json report = MakeReport(testing::SampleInputs(), 0);
  EXPECT_THAT(KeysOf(report), IsSupersetOf({"version", "label", "sub1quant", "specification", "model", "allocation",
                                            "tokens", "perplexity", "timings", "workers", "events"}));
  EXPECT_EQ(report["version"], 1);
  EXPECT_THAT(KeysOf(report["sub1quant"]), ElementsAre("version", "commit"));
  EXPECT_THAT(KeysOf(report["model"]), IsSupersetOf({"name", "architecture", "config_sha256", "weights_sha256",
                                                     "quantizable_tensors", "quantizable_parameters", "total_bytes"}));
  EXPECT_THAT(KeysOf(report["allocation"]), IsSupersetOf({"target_bpw", "average_bpw", "allocator", "bound_gap",
                                                          "stored_bytes", "model_bytes", "method_counts", "tensors"}));
  EXPECT_THAT(KeysOf(report["allocation"]["tensors"][0]),
              IsSupersetOf({"index", "key", "shape", "method", "bpw", "mse", "params", "applied", "blob"}));
  EXPECT_THAT(KeysOf(report["tokens"]), ElementsAre("count", "sha256_int32_le", "chunks"));
  EXPECT_THAT(KeysOf(report["perplexity"]), ElementsAre("base", "quantized", "difference"));
  for (const char* side : {"base", "quantized"})
    EXPECT_THAT(KeysOf(report["perplexity"][side]), IsSupersetOf({"dtype", "device", "published", "bos_per_window",
                                                                  "chunk_loss", "seconds", "tokens_per_second"}));
  EXPECT_THAT(KeysOf(report["workers"][0]), ElementsAre("id", "device", "tasks"));
}

TEST(ReportJson, NumbersAreTheInputs) {
  const ReportInputs inputs = testing::SampleInputs();
  const Json report = MakeReport(inputs, 0);
  const Json& allocation = report["allocation"];
  uint64_t stored = 0;
  int64_t matrices = 0;
  for (const ManifestTensor& tensor : inputs.targets[0].manifest.tensors) stored += tensor.stored_bytes;
  for (const auto& item : allocation["method_counts"].items()) matrices += item.value().get<int64_t>();
  EXPECT_EQ(allocation["stored_bytes"], stored);
  EXPECT_EQ(matrices, 27);
  EXPECT_EQ(allocation["average_bpw"], inputs.targets[0].manifest.totals.average_bpw);
  EXPECT_EQ(allocation["tensors"][5]["mse"], *inputs.targets[0].manifest.tensors[5].mse);
  EXPECT_EQ(report["perplexity"]["base"]["published"], inputs.base->published->perplexity);
  EXPECT_EQ(report["perplexity"]["base"]["chunk_loss"].size(), 40u);
  EXPECT_EQ(report["perplexity"]["base"]["tokens_per_second"], 2 * 512 * 40 / 41.25);
  EXPECT_EQ(report["tokens"]["chunks"], 40);
}

TEST(ReportJson, DifferenceIsQuantizedMinusBaseForBothProtocols) {
  const ReportInputs inputs = testing::SampleInputs();
  const Json difference = MakeReport(inputs, 0)["perplexity"]["difference"];
  double mean = 0;
  for (size_t i = 0; i < 40; ++i)
    mean += (inputs.targets[0].quantized->published->window_loss[i] - inputs.base->published->window_loss[i]) / 40;
  for (const char* protocol : {"published", "bos_per_window"}) {
    EXPECT_NEAR(difference[protocol]["mean_loss_difference"].get<double>(), mean, 1e-12);
    EXPECT_GT(difference[protocol]["standard_error"], 0);
    EXPECT_NEAR(difference[protocol]["perplexity_ratio"].get<double>(), std::exp(mean), 1e-12);
    EXPECT_EQ(difference[protocol]["windows"], 40);
  }
}

TEST(ReportJson, AppliedSaysWhatScoringDid) {
  ReportInputs inputs = testing::SampleInputs();
  Json tensors = MakeReport(inputs, 0)["allocation"]["tensors"];
  EXPECT_EQ(tensors[0]["applied"], "replaced");
  EXPECT_EQ(tensors[26]["applied"], "skipped");
  inputs.targets[0].quantized.reset();
  tensors = MakeReport(inputs, 0)["allocation"]["tensors"];
  EXPECT_EQ(tensors[0]["applied"], "not evaluated");
  EXPECT_EQ(tensors[26]["applied"], "not evaluated");
}

TEST(ReportJson, AbsentIsNull) {
  ReportInputs inputs = testing::SampleInputs();
  inputs.base->bos_per_window.reset();
  EXPECT_TRUE(MakeReport(inputs, 0)["perplexity"]["base"]["bos_per_window"].is_null());
  EXPECT_TRUE(MakeReport(inputs, 0)["perplexity"]["difference"]["bos_per_window"].is_null());
  inputs.base.reset();
  EXPECT_TRUE(MakeReport(inputs, 0)["perplexity"]["base"].is_null());
  EXPECT_TRUE(MakeReport(inputs, 0)["perplexity"]["difference"].is_null());
  inputs.targets.clear();
  const Json report = MakeReport(inputs, 0);
  EXPECT_TRUE(report["allocation"].is_null());
  EXPECT_TRUE(report["model"]["weights_sha256"].is_null());
}

TEST(ReportJson, NoNumberThatIsNone) {
  ReportInputs inputs = testing::SampleInputs();
  const double nan = std::nan("");
  inputs.targets[0].bound_gap = nan;
  inputs.targets[0].manifest.tensors[0].mse = nan;
  inputs.targets[0].manifest.totals.weighted_mse = std::numeric_limits<double>::infinity();
  inputs.base->published->perplexity = std::numeric_limits<double>::infinity();
  inputs.base->published->window_loss[3] = nan;
  inputs.timings["search"] = nan;
  for (const Json& json : {MakeReport(inputs, 0), MakeScan(inputs, 0), MakeEvaluation(inputs, *inputs.base, "base")}) {
    const auto back = ParseJson(DumpJson(json));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, json) << "a value in memory that the file cannot hold";
  }
  EXPECT_TRUE(MakeReport(inputs, 0)["allocation"]["tensors"][0]["mse"].is_null());
}

TEST(ReportJson, WeightsDigestIsOverTheDocumentedLines) {
  Manifest manifest;
  ManifestTensor tensor;
  tensor.key = "a.weight";
  tensor.dtype = "BF16";
  tensor.rows = 2;
  tensor.cols = 3;
  tensor.tensor_sha256 = Sha256Hex("bytes");
  manifest.tensors = {tensor};
  EXPECT_EQ(WeightsSha256(manifest), Sha256Hex("a.weight BF16 [2,3] " + Sha256Hex("bytes") + "\n"));
  // What a job keeps is as much of the model as what it packs, in its place: two jobs on one model agree.
  manifest.tensors[0].index = 1;
  manifest.kept = {{"0.weight", "F32", 5, 6, true, 0, Sha256Hex("other")}};
  EXPECT_EQ(WeightsSha256(manifest), Sha256Hex("0.weight F32 [5,6] " + Sha256Hex("other") + "\na.weight BF16 [2,3] " +
                                               Sha256Hex("bytes") + "\n"));
  manifest.kept[0].tensor_sha256 = "";
  EXPECT_EQ(WeightsSha256(manifest), "");
  manifest.kept[0].tensor_sha256 = Sha256Hex("other");
  manifest.kept[0].index = 1;
  EXPECT_EQ(WeightsSha256(manifest), "") << "two matrices in one place";
  manifest.kept.clear();
  manifest.tensors[0].tensor_sha256 = "";
  EXPECT_EQ(WeightsSha256(manifest), "");
}

TEST(ReportJson, MissingMatricesAreAWarning) {
  ReportInputs inputs = testing::SampleInputs();
  inputs.warnings = {"first"};
  inputs.targets[0].quantized->missing = 2;
  EXPECT_THAT(MakeReport(inputs, 0)["warnings"].get<std::vector<std::string>>(),
              ElementsAre("first", "2 quantized matrices are not in the scored model"));
}

TEST(EvaluationJson, HasThePublishedFieldsInOrder) {
  const ReportInputs inputs = testing::SampleInputs();
  const Json json = MakeEvaluation(inputs, *inputs.targets[0].quantized, "quantized");
  std::vector<std::string> keys = KeysOf(json);
  keys.resize(8);
  EXPECT_THAT(keys, ElementsAre("label", "mode", "ppl", "seq_len", "chunks", "apply_stats", "device", "elapsed_s"));
  EXPECT_EQ(json["ppl"], inputs.targets[0].quantized->published->perplexity);
  EXPECT_EQ(json["chunks"], 40);
  EXPECT_EQ(json["seq_len"], 512);
  EXPECT_EQ(json["apply_stats"].dump(), R"({"replaced":26,"skipped":1,"missing":0,"shape_mismatches":0})");
  EXPECT_EQ(json["published"]["window_loss"].size(), 40u);
  EXPECT_EQ(json["bos_per_window"]["scored_tokens"], 511 * 40);
}

}  // namespace
}  // namespace sub1quant
