// search → allocate → pack → seal as pure functions over made-up answers.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/codec/codec.h"
#include "server/flow/aggregate.h"
#include "server/flow/allocate.h"
#include "server/flow/pack.h"
#include "server/flow/seal.h"
#include "server/flow/search.h"
#include "tests/unit/server/flow/sample.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

CandidateRow Row(const std::string& method, const TensorRecord& tensor, double error) {
  CandidateRow row;
  row.method = method;
  row.bits = FindCodec(method)->NominalBits(tensor.rows(), tensor.cols(), 128);
  row.error.Add(error);
  return row;
}

// More bits, less error, whatever the matrix.
std::vector<SearchResult> Search(const JobSpecification& s, const Inspection& inspection) {
  std::vector<SearchResult> results;
  for (const InspectedTensor& tensor : inspection.tensors) {
    SearchResult result;
    result.tensor_sha256 = std::string(63, '0') + std::to_string(tensor.index);
    for (const std::string& method : CandidateMethods(s, tensor)) {
      CandidateRow row = Row(method, tensor.record, 0);
      row.error.Add(1e6 / static_cast<double>(row.bits));
      result.rows.push_back(row);
    }
    results.push_back(result);
  }
  return results;
}

std::vector<PackResult> Pack(const Inspection& inspection, const Decision& decision) {
  std::vector<PackResult> results;
  for (size_t i = 0; i < inspection.tensors.size(); ++i) {
    const InspectedTensor& tensor = inspection.tensors[i];
    results.push_back({std::string(63, '0') + std::to_string(tensor.index), std::string(63, 'b') + std::to_string(i),
                       100, 90, Row(decision.methods[i], tensor.record, 1.5)});
  }
  return results;
}

TEST(PlanSearch, OneTaskAMatrixWithAllCandidates) {
  const JobSpecification s = SampleJob();
  const auto tasks = PlanSearch(s, SampleInspection());
  ASSERT_THAT(tasks, SizeIs(3));
  EXPECT_EQ(std::get<SearchTask>(tasks[1].task).tensor.key, "b.weight");
  EXPECT_EQ(std::get<SearchTask>(tasks[1].task).methods, PublishedMethods());
  EXPECT_GT(tasks[1].cost, tasks[0].cost);  // largest first needs the size
}

TEST(ActivationWeights, ByKeyThenByIndexThenOneAndClamped) {
  JobSpecification s = SampleJob();
  s.activation_weights = {{"0", 3}, {"1", 5}, {"2", 1000}, {"b.weight", 0}};
  EXPECT_EQ(ActivationWeightOf(s, "a.weight", 0), 3);
  EXPECT_EQ(ActivationWeightOf(s, "b.weight", 1), 0.05);
  EXPECT_EQ(ActivationWeightOf(s, "c.weight", 2), 20);
  EXPECT_EQ(ActivationWeightOf(s, "d.weight", 3), 1);
}

TEST(Decide, PinsHoldAndKeptTensorsCountTheirWidth) {
  JobSpecification s = SampleJob();
  s.formats = {"int2_base", "groupwise_int4"};
  Inspection inspection = SampleInspection();
  inspection.tensors[0].pinned_method = "int2_binary_residual";
  const auto scan = MakeScanRows(s, inspection, Search(s, inspection));
  s.target_bpw = {4.125};
  auto free = Decide(s, inspection, scan, 0);
  ASSERT_TRUE(free.ok()) << free.status();
  EXPECT_THAT(free->methods, ElementsAre("int2_binary_residual", "groupwise_int4", "groupwise_int4"));

  // A kept matrix of 16 bits a weight leaves less for the others.
  inspection.kept = {{"kept.weight", "BF16", 64, 64, false}};
  auto with_kept = Decide(s, inspection, scan, 0);
  ASSERT_TRUE(with_kept.ok()) << with_kept.status();
  EXPECT_THAT(with_kept->methods, testing::Contains("int2_base"));
  // An excluded one does not count at all.
  inspection.kept[0].excluded = true;
  auto with_excluded = Decide(s, inspection, scan, 0);
  ASSERT_TRUE(with_excluded.ok());
  EXPECT_EQ(with_excluded->methods, free->methods);
}

TEST(Decide, ATargetOutOfReachNamesTheSmallest) {
  JobSpecification s = SampleJob();
  s.target_bpw = {2.0};
  const Inspection inspection = SampleInspection();
  const auto status = Decide(s, inspection, MakeScanRows(s, inspection, Search(s, inspection)), 0).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("2.125"));
}

TEST(Decide, UniformAndGivenAllocations) {
  JobSpecification s = SampleJob();
  Inspection inspection = SampleInspection();
  inspection.tensors[2].pinned_method = "int2_base";
  s.uniform = "groupwise_int4";
  auto uniform = Decide(s, inspection, {}, 0);
  ASSERT_TRUE(uniform.ok());
  EXPECT_THAT(uniform->methods, ElementsAre("groupwise_int4", "groupwise_int4", "int2_base"));
  EXPECT_EQ(uniform->allocator, "fixed");

  s.uniform = "";
  s.allocation = {{"a.weight", "int2_base"}};
  const auto missing = Decide(s, inspection, {}, 0).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("b.weight"));
  s.allocation.push_back({"b.weight", "groupwise_int4"});
  EXPECT_THAT(Decide(s, inspection, {}, 0)->methods, ElementsAre("int2_base", "groupwise_int4", "int2_base"));
}

TEST(Decide, SurvivesItsDocument) {
  const Decision decision{{"a", "b"}, "greedy", 0.1 + 0.2};
  auto back = DecisionFromJson(DecisionToJson(decision));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->methods, decision.methods);
  EXPECT_EQ(back->allocator, "greedy");
  EXPECT_EQ(back->bound_gap, decision.bound_gap);
  EXPECT_FALSE(DecisionFromJson("{}").ok());
}

TEST(Seal, ManifestIsAFunctionOfTensorsAndAllocationOnly) {
  JobSpecification s = SampleJob();
  const Inspection inspection = SampleInspection();
  const auto searched = Search(s, inspection);
  const auto scan = MakeScanRows(s, inspection, searched);
  auto decision = Decide(s, inspection, scan, 0);
  ASSERT_TRUE(decision.ok()) << decision.status();
  const auto packed = Pack(inspection, *decision);
  auto manifest = MakeManifest(s, inspection, *decision, scan, searched, packed, 0);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_THAT(manifest->tensors, SizeIs(3));
  EXPECT_EQ(manifest->target_bpw, 4.0);
  EXPECT_LE(manifest->totals.average_bpw, 4.0 + 1e-9);
  ASSERT_TRUE(manifest->uniform_int4.has_value());
  EXPECT_DOUBLE_EQ(manifest->uniform_int4->average_bpw, 4.125);
  // 1,000,000 bytes with 2 bytes a weight replaced by 90 a matrix.
  EXPECT_EQ(ModelBytes(inspection, *manifest), 1000000u - 2 * (128 * 128 + 256 * 128 + 64 * 256) + 3 * 90);

  JobSpecification same = s;
  same.label = "another";
  same.corpus_sha256 = std::string(64, 'd');
  same.window = 128;
  same.model_root = "elsewhere";
  auto again = MakeManifest(same, inspection, *decision, scan, searched, packed, 0);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(ManifestToJson(*again), ManifestToJson(*manifest));
}

TEST(Seal, AModelThatChangedBetweenSearchAndPackIsRefused) {
  const JobSpecification s = SampleJob();
  const Inspection inspection = SampleInspection();
  const auto searched = Search(s, inspection);
  const auto scan = MakeScanRows(s, inspection, searched);
  auto decision = Decide(s, inspection, scan, 0);
  ASSERT_TRUE(decision.ok());
  auto packed = Pack(inspection, *decision);
  packed[1].tensor_sha256 = std::string(64, 'f');
  const auto status = MakeManifest(s, inspection, *decision, scan, searched, packed, 0).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("b.weight"));
}

TEST(OutputPrefix, OnlySeveralTargetsHaveFolders) {
  JobSpecification s = SampleJob();
  EXPECT_EQ(OutputPrefix(s, 0), "");
  s.target_bpw = {3.5, 4};
  EXPECT_EQ(OutputPrefix(s, 0), "target-3.5/");
  EXPECT_EQ(OutputPrefix(s, 1), "target-4/");
  s.uniform = "groupwise_int4";
  EXPECT_EQ(OutputPrefix(s, 0), "");
}

// `run --uniform` once left no scan.json; scoring a checkpoint chooses nothing and writes none.
TEST(MakeReportFiles, EveryJobThatQuantizesWritesItsScan) {
  ReportInputs inputs;
  inputs.specification = SampleJob();
  inputs.specification.uniform = "groupwise_int4";
  ManifestTensor tensor;
  tensor.key = "a.weight";
  tensor.rows = tensor.cols = 128;
  tensor.method = "groupwise_int4";
  tensor.error = ExactSum();
  inputs.targets.resize(1);
  inputs.targets[0].manifest.tensors = {tensor};
  const auto paths = [&] {
    std::vector<std::string> names;
    for (const OutputFile& file : MakeReportFiles(inputs)) names.push_back(file.path);
    return names;
  };
  EXPECT_THAT(paths(), ElementsAre("scan.json", "report.json", "report.html"));
  inputs.specification.quantize = false;
  EXPECT_THAT(paths(), ElementsAre("report.json", "report.html"));
}

}  // namespace
}  // namespace sub1quant
