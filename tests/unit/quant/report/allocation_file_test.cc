#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quant/report/report.h"
#include "sample_inputs.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

TEST(AllocationFile, ReadsScanReportAndManifest) {
  const ReportInputs inputs = testing::SampleInputs();
  std::vector<std::pair<std::string, std::string>> expected;
  for (const ManifestTensor& tensor : inputs.targets[0].manifest.tensors)
    expected.emplace_back(tensor.key, tensor.method);
  for (const std::string& text :
       {DumpJson(MakeScan(inputs, 0)), DumpJson(MakeReport(inputs, 0)), ManifestToJson(inputs.targets[0].manifest)}) {
    const auto got = AllocationFromFile(text);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(*got, expected);
  }
}

TEST(AllocationFile, RefusesWhatIsNone) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "JSON"},
      {"[]", "neither a scan.json"},
      {R"({"tensors": {}})", "neither a scan.json"},
      {R"({"tensors": []})", "lists no matrix"},
      {R"({"tensors": [7]})", "entry 0 has no key"},
      {R"({"tensors": [{"key": "a"}]})", "entry 0 'a' has no method"},
      {R"({"tensors": [{"key": "a", "method": 4}]})", "has no method"},
      {R"({"tensors": [{"key": "a", "method": "x"}, {"key": "a", "method": "x"}]})", "entry 1: 'a' is there twice"},
  };
  for (const auto& [text, why] : cases) {
    const auto got = AllocationFromFile(text);
    EXPECT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(got.status().message()), HasSubstr(why)) << text;
  }
}

}  // namespace
}  // namespace sub1quant
