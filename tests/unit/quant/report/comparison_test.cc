#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "quant/report/report.h"
#include "sample_inputs.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

// Report through its file, as the client reads it.
Json Reread(const Json& report) { return *ParseJson(DumpJson(report)); }

TEST(Comparison, PairsTheWindowsOfBothProtocols) {
  const ReportInputs inputs = testing::SampleInputs();
  ReportInputs other = testing::SampleInputs();
  for (double& loss : other.targets[0].quantized->published->window_loss) loss += 0.125;
  other.targets[0].quantized->published->perplexity *= std::exp(0.125);
  const auto got = CompareReports(Reread(MakeReport(inputs, 0)), Reread(MakeReport(other, 0)));
  ASSERT_TRUE(got.ok()) << got.status();
  const Json& published = got->at("difference").at("published");
  EXPECT_NEAR(published.at("mean_loss_difference").get<double>(), 0.125, 1e-12);
  EXPECT_NEAR(published.at("standard_error").get<double>(), 0, 1e-9);
  EXPECT_NEAR(published.at("perplexity_ratio").get<double>(), std::exp(0.125), 1e-9);
  EXPECT_EQ(got->at("difference").at("bos_per_window").at("mean_loss_difference"), 0);
  EXPECT_EQ(got->at("a").at("scored"), "quantized");
  EXPECT_EQ(got->at("a").at("model_bytes"), inputs.targets[0].model_bytes);
}

TEST(Comparison, AnUnquantizedReportStandsForItsBase) {
  const ReportInputs inputs = testing::SampleInputs();
  ReportInputs base = testing::SampleInputs();
  base.targets.clear();
  const auto got = CompareReports(MakeReport(base, 0), MakeReport(inputs, 0));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->at("a").at("scored"), "base");
  EXPECT_TRUE(got->at("a").at("stored_bytes").is_null());
  EXPECT_EQ(got->at("difference"), MakeReport(inputs, 0).at("perplexity").at("difference"));
}

TEST(Comparison, WithoutScoresTheSizesRemain) {
  ReportInputs inputs = testing::SampleInputs();
  inputs.base.reset();
  inputs.targets[0].quantized.reset();
  const auto got = CompareReports(MakeReport(inputs, 0), MakeReport(testing::SampleInputs(), 0));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_TRUE(got->at("a").at("scored").is_null());
  EXPECT_TRUE(got->at("difference").at("published").is_null());
  EXPECT_EQ(got->at("a").at("stored_bytes"), got->at("b").at("stored_bytes"));
}

TEST(Comparison, RefusesOtherCorporaWindowsAndFiles) {
  const Json a = MakeReport(testing::SampleInputs(), 0);
  ReportInputs inputs = testing::SampleInputs();
  inputs.tokens_sha256 = std::string(64, 'f');
  const auto corpus = CompareReports(a, MakeReport(inputs, 0));
  EXPECT_EQ(corpus.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(corpus.status().message()), HasSubstr("different tokens"));

  const auto windows = CompareReports(a, MakeReport(testing::SampleInputs(3, 39), 0));
  EXPECT_EQ(windows.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(windows.status().message()), HasSubstr("40 and 39"));

  for (const Json& none : {Json(), Json::array(), Json::object(), MakeScan(testing::SampleInputs(), 0)}) {
    EXPECT_EQ(CompareReports(none, a).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(CompareReports(a, none).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(Comparison, DamagedLossesAreNotThere) {
  const Json a = MakeReport(testing::SampleInputs(), 0);
  for (const char* field : {"chunk_loss", "chunk_weight", "published"}) {
    for (const Json& damage : {Json(), Json("x"), Json::array({1, "x"}), Json::array({-1})}) {
      Json b = a;
      b["perplexity"]["quantized"][field] = damage;
      const auto got = CompareReports(a, b);
      ASSERT_TRUE(got.ok()) << got.status();
      EXPECT_TRUE(got->at("difference").at("published").is_null()) << field << damage;
      EXPECT_FALSE(got->at("difference").at("bos_per_window").is_null());
    }
  }
}

}  // namespace
}  // namespace sub1quant
