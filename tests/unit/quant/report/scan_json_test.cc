// scan.json against the file that the NumPy oracle wrote for pt-model.
#include <gtest/gtest.h>

#include "core/file.h"
#include "quant/report/report.h"

namespace sub1quant {
namespace {

Json Golden() {
  const auto text = ReadFile(SUB1QUANT_TESTDATA "/codec-golden/pt-model.scan.json");
  const auto json = text.ok() ? ParseJson(*text) : text.status();
  EXPECT_TRUE(json.ok()) << json.status();
  return json.ok() ? *json : Json();
}

// The golden file back into what a job would have found: exact sums and bits, nothing derived.
ReportInputs InputsOf(const Json& golden) {
  ReportInputs inputs;
  Manifest manifest;
  manifest.group_size = 128;
  manifest.target_bpw = golden.at("target_bpw");
  manifest.allocator = "greedy";
  manifest.formats = {"int2_base", "int2_binary_residual", "int2_error_budget_k4", "int2_error_budget_k8",
                      "groupwise_int4"};
  std::vector<ManifestTensor> uniform;
  for (const Json& layer : golden.at("layers")) {
    ScanRow row{layer.at("idx"),
                layer.at("key"),
                layer.at("shape")[0],
                layer.at("shape")[1],
                layer.at("activation_weight"),
                {}};
    for (const Json& candidate : layer.at("candidates"))
      row.candidates.push_back(
          {candidate.at("method"), candidate.at("bits"), *ExactSum::FromHex(candidate.at("sse_2e60"))});
    const std::string chosen = golden.at("mixed_allocation").at("selected_layers").at(inputs.scan.size()).at("method");
    for (const CandidateRow& candidate : row.candidates) {
      ManifestTensor tensor;
      tensor.index = row.index;
      tensor.key = row.key;
      tensor.rows = row.rows;
      tensor.cols = row.cols;
      tensor.method = candidate.method;
      tensor.bits = candidate.bits;
      tensor.error = candidate.error;
      tensor.mse = candidate.error.ToDouble() / static_cast<double>(tensor.params());
      if (candidate.method == chosen) manifest.tensors.push_back(tensor);
      if (candidate.method == "groupwise_int4") uniform.push_back(tensor);
    }
    inputs.scan.push_back(row);
  }
  manifest.totals = TotalsOf(manifest.tensors, {});
  manifest.uniform_int4 = TotalsOf(uniform, {});
  inputs.targets.push_back({manifest, 0, 0, {}, {}});
  return inputs;
}

// Equal, with the golden data's tolerance for ratios of sums.
void ExpectSame(const Json& got, const Json& want, const std::string& where) {
  SCOPED_TRACE(where);
  if (want.is_number_float()) {
    ASSERT_TRUE(got.is_number_float()) << got;
    EXPECT_NEAR(got.get<double>(), want.get<double>(), 1e-12 * std::abs(want.get<double>()));
  } else if (want.is_object()) {
    ASSERT_TRUE(got.is_object());
    auto item = got.begin();
    for (const auto& expected : want.items()) {
      ASSERT_NE(item, got.end()) << expected.key() << " is missing";
      EXPECT_EQ(item.key(), expected.key()) << "order of keys";
      ExpectSame(item.value(), expected.value(), where + "." + expected.key());
      ++item;
    }
  } else if (want.is_array()) {
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) ExpectSame(got[i], want[i], where + "[" + std::to_string(i) + "]");
  } else {
    EXPECT_EQ(got, want);
  }
}

TEST(ScanJson, IsThePublishedToolsFile) {
  const Json golden = Golden();
  ExpectSame(MakeScan(InputsOf(golden), 0), golden, "scan");
}

TEST(ScanJson, WithoutASearchALayerHasTheCandidateThatWasPacked) {
  ReportInputs inputs = InputsOf(Golden());
  const Json searched = MakeScan(inputs, 0);
  inputs.scan.clear();
  Manifest& manifest = inputs.targets[0].manifest;
  manifest.target_bpw.reset();
  manifest.uniform_int4.reset();
  const Json scan = MakeScan(inputs, 0);
  EXPECT_TRUE(scan.at("target_bpw").is_null());
  EXPECT_TRUE(scan.at("uniform_int4").is_null()) << "other methods than groupwise_int4 were packed";
  EXPECT_EQ(scan.at("mixed_allocation").at("selected_layers"), searched.at("mixed_allocation").at("selected_layers"));
  ASSERT_EQ(scan.at("layers").size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    Json want = searched.at("layers")[i];
    const std::string chosen = manifest.tensors[i].method;
    Json one = Json::array();
    for (const Json& candidate : want.at("candidates"))
      if (candidate.at("method") == chosen) one.push_back(candidate);
    want["candidates"] = one;
    EXPECT_EQ(scan.at("layers")[i], want);
  }
}

TEST(ScanJson, UniformInt4IsWhatItSays) {
  ReportInputs inputs = InputsOf(Golden());
  Manifest& manifest = inputs.targets[0].manifest;
  const Json searched = MakeScan(inputs, 0);
  manifest.tensors.clear();
  for (const ScanRow& row : inputs.scan)
    for (const CandidateRow& candidate : row.candidates) {
      if (candidate.method != "groupwise_int4") continue;
      ManifestTensor tensor;
      tensor.rows = row.rows;
      tensor.cols = row.cols;
      tensor.method = candidate.method;
      tensor.bits = candidate.bits;
      tensor.mse = candidate.error.ToDouble() / static_cast<double>(tensor.params());
      manifest.tensors.push_back(tensor);
    }
  inputs.scan.clear();
  manifest.uniform_int4.reset();
  const Json scan = MakeScan(inputs, 0);
  EXPECT_EQ(scan.at("uniform_int4"), searched.at("uniform_int4"));
  EXPECT_EQ(scan.at("outlier_options"), Json::array());
}

}  // namespace
}  // namespace sub1quant
