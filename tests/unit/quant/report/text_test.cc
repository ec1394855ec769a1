// Text pages against golden/*.txt. SUB1QUANT_REGENERATE=1 rewrites them: read the difference before you commit it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/file.h"
#include "quant/report/report.h"
#include "sample_inputs.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void ExpectGolden(const std::string& text, const std::string& name) {
  const std::string path = std::string(SUB1QUANT_REPORT_GOLDEN) + "/" + name;
  if (std::getenv("SUB1QUANT_REGENERATE") != nullptr) {
    const absl::Status written = WriteFileAtomically(path, text);
    ASSERT_TRUE(written.ok()) << written;
  }
  const auto golden = ReadFile(path);
  ASSERT_TRUE(golden.ok()) << golden.status();
  EXPECT_EQ(text, *golden);
}

TEST(ReportText, Whole) { ExpectGolden(RenderText(MakeReport(testing::SampleInputs(), 0), false), "report.txt"); }

TEST(ReportText, EvaluationOnly) {
  ReportInputs inputs = testing::SampleInputs();
  inputs.targets.clear();
  inputs.scan.clear();
  inputs.base->bos_per_window.reset();
  ExpectGolden(RenderText(MakeReport(inputs, 0), false), "evaluation.txt");
}

TEST(ReportText, SearchOnlyWithWarningAndKept) {
  ReportInputs inputs = testing::SampleInputs();
  inputs.base.reset();
  inputs.targets[0].quantized.reset();
  inputs.targets[0].manifest.target_bpw.reset();
  inputs.targets[0].manifest.kept = {{"head.weight", "BF16", 10, 10, true}};
  inputs.token_count = 0;
  inputs.workers.clear();
  inputs.timings.clear();
  inputs.warnings = {"the corpus is short"};
  ExpectGolden(RenderText(MakeReport(inputs, 0), false), "search_only.txt");
}

TEST(ReportText, Comparison) {
  const Json a = MakeReport(testing::SampleInputs(), 0);
  ReportInputs inputs = testing::SampleInputs();
  inputs.specification.label = "other";
  inputs.targets[0].quantized = inputs.base;
  const auto comparison = CompareReports(a, MakeReport(inputs, 0));
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  ExpectGolden(RenderComparison(*comparison, false), "comparison.txt");
}

TEST(ReportText, ColourIsAnsiAndOnlyOnRequest) {
  const Json report = MakeReport(testing::SampleInputs(), 0);
  EXPECT_THAT(RenderText(report, true), HasSubstr("\x1b[1m"));
  EXPECT_THAT(RenderText(report, false), Not(HasSubstr("\x1b")));
}

TEST(ReportText, HostileReportsNeitherThrowNorReachTheTerminal) {
  ReportInputs inputs = testing::SampleInputs();
  inputs.specification.label = "\x1b]0;owned\x07";
  inputs.workers[0].id = "w\x1b[2J";
  inputs.targets[0].manifest.tensors[0].method = "int\x1b[31m";
  EXPECT_THAT(RenderText(MakeReport(inputs, 0), false), Not(HasSubstr("\x1b")));
  for (const char* text :
       {"null", "[]", "7", "{}", R"({"label": 7, "model": [], "allocation": {"tensors": [1, {"method": 3}]}})",
        R"({"perplexity": {"base": {"published": "x"}, "difference": 3}, "timings": {"a": "b"}, "workers": [1]})",
        R"({"allocation": {"tensors": [], "stored_bytes": -5, "source_bytes": 0}, "warnings": [1, null]})"}) {
    const auto json = ParseJson(text);
    ASSERT_TRUE(json.ok()) << text;
    EXPECT_FALSE(RenderText(*json, false).empty());
    EXPECT_FALSE(RenderComparison(*json, false).empty());
  }
}

}  // namespace
}  // namespace sub1quant
