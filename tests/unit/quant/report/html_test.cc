#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "core/file.h"
#include "quant/report/report.h"
#include "sample_inputs.h"

namespace sub1quant {
namespace {

bool Lacks(const std::string& html, const std::string& part) { return html.find(part) == std::string::npos; }

// Every element closed in order, attributes quoted: a small checker for the markup that we write.
std::string FirstMarkupProblem(const std::string& html) {
  static const std::set<std::string> kVoid = {"meta", "!DOCTYPE", "br"};
  std::vector<std::string> open;
  for (size_t i = html.find('<'); i != std::string::npos; i = html.find('<', i)) {
    const size_t end = html.find('>', i);
    if (end == std::string::npos) return "'<' never closed";
    std::string tag = html.substr(i + 1, end - i - 1);
    i = end + 1;
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0) return "quotes in <" + tag + ">";
    const bool closing = tag[0] == '/', empty = tag.back() == '/';
    const std::string name = tag.substr(closing, tag.find_first_of(" /", closing) - closing);
    if (closing) {
      if (open.empty() || open.back() != name)
        return "</" + name + "> closes " + (open.empty() ? "nothing" : open.back());
      open.pop_back();
    } else if (!empty && !kVoid.contains(name)) {
      open.push_back(name);
      if (name == "script" || name == "style") i = html.find("</" + name, i);
    }
  }
  return open.empty() ? "" : "<" + open.back() + "> stays open";
}

std::string Render(const ReportInputs& inputs) { return RenderHtml(MakeReport(inputs, 0), MakeScan(inputs, 0)); }

TEST(ReportHtml, WellFormedWithAllParts) {
  const std::string html = Render(testing::SampleInputs());
  EXPECT_EQ(FirstMarkupProblem(html), "");
  for (const char* part : {"Error against size", "Bits by layer", "Loss of each window", "Sizes", "Matrices",
                           "Provenance", "prefers-color-scheme: dark", "mlp.down_proj", "table class=\"sortable\""})
    EXPECT_FALSE(Lacks(html, part));
  for (const char* number : {">nan", ">-nan", "\"nan", "\"-nan", "\"inf", "\"-inf"})
    EXPECT_TRUE(Lacks(html, number)) << number;
}

TEST(ReportHtml, NothingFromOutside) {
  const std::string html = Render(testing::SampleInputs());
  for (const char* outside : {"http://", "https://", "src=", "@import", "url("}) EXPECT_TRUE(Lacks(html, outside));
}

TEST(ReportHtml, HostileTextStaysText) {
  const std::string attack = "\"'><script>alert(1)</script>&x";
  ReportInputs inputs = testing::SampleInputs();
  inputs.specification.label = attack;
  inputs.specification.model_name = attack;
  inputs.model.name = inputs.model.architecture = attack;
  inputs.warnings = {attack};
  inputs.workers[0].id = inputs.workers[0].device = attack;
  inputs.timings[attack] = 1;
  for (ManifestTensor& tensor : inputs.targets[0].manifest.tensors) {
    tensor.key = attack + tensor.key;
    tensor.method = attack;
  }
  for (ScanRow& row : inputs.scan) row.key = row.candidates[0].method = attack;
  const std::string html = Render(inputs);
  EXPECT_EQ(FirstMarkupProblem(html), "");
  EXPECT_TRUE(Lacks(html, "<script>alert"));
  EXPECT_TRUE(Lacks(html, "'><script"));
  EXPECT_FALSE(Lacks(html, "&lt;script&gt;alert(1)&lt;/script&gt;&amp;x"));
}

TEST(ReportHtml, PartsWithoutDataAreLeftOut) {
  ReportInputs inputs = testing::SampleInputs();
  inputs.base.reset();
  const std::string html = RenderHtml(MakeReport(inputs, 0), Json());
  EXPECT_EQ(FirstMarkupProblem(html), "");
  EXPECT_TRUE(Lacks(html, "Loss of each window"));
  EXPECT_FALSE(Lacks(html, "Error against size"));
}

TEST(ReportHtml, HostileReportsGiveAPage) {
  for (
      const char* text :
      {"null", "{}", "[1]",
       R"({"allocation": {"tensors": [1, {"key": 2, "bpw": 1e308, "mse": -1}, {"key": "layers.9999999999999999999999.x", "bpw": 4}]}})",
       R"({"allocation": {"tensors": [{"key": "layers.", "bpw": -1e308, "mse": 1e308, "method": "a"}, {"key": "", "bpw": 1e308, "mse": 1e-308, "method": "b"}]}})",
       R"({"perplexity": {"base": {"chunk_loss": [1e308, 0]}, "quantized": {"chunk_loss": [-1e308, 0]}}})",
       R"({"perplexity": {"base": {"chunk_loss": [1]}, "quantized": {"chunk_loss": [1]}}})"}) {
    const auto json = ParseJson(text);
    ASSERT_TRUE(json.ok()) << text;
    const std::string html = RenderHtml(*json, *json);
    EXPECT_EQ(FirstMarkupProblem(html), "") << text;
    EXPECT_FALSE(Lacks(html, "</html>"));
  }
}

// SUB1QUANT_RENDER=FILE writes a page of a whole model's size, to look at.
TEST(ReportHtml, PageOfAWholeModelIsSmallEnough) {
  ReportInputs inputs = testing::SampleInputs(35, 580);
  const std::string html = Render(inputs);
  EXPECT_LT(html.size(), 1'000'000u);
  if (const char* path = std::getenv("SUB1QUANT_RENDER")) {
    EXPECT_TRUE(WriteFileAtomically(path, html).ok());
  }
}

}  // namespace
}  // namespace sub1quant
