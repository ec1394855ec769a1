// inspect on the small model of the test data.
#include "server/flow/inspect.h"

#include <cstdlib>
#include <filesystem>
#include <functional>

#include "core/digest.h"
#include "core/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/model/safetensors.h"
#include "tests/unit/server/flow/sample.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

class InspectTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "inspect-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    auto model = OpenModelDirectory(std::string(SUB1QUANT_TESTDATA) + "/gemma4-tiny");
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    auto blobs = OpenBlobDirectory(directory_ + "/blobs");
    ASSERT_TRUE(blobs.ok()) << blobs.status();
    blobs_ = *std::move(blobs);
    std::string text;
    for (int i = 0; i < 300; ++i) text += " The quick brown fox jumps over the lazy dog.\n";
    auto corpus = PutBlob(*blobs_, text);
    ASSERT_TRUE(corpus.ok()) << corpus.status();
    job_ = SampleJob();
    job_.corpus_sha256 = *corpus;
    job_.window = job_.stride = 64;
  }
  void TearDown() override { std::system(("rm -rf '" + directory_ + "'").c_str()); }

  void UseCopyOfModel() {
    std::filesystem::copy(std::string(SUB1QUANT_TESTDATA) + "/gemma4-tiny", directory_ + "/model");
    auto model = OpenModelDirectory(directory_ + "/model");
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }
  // Replaces the first `from` after `key` in the header that has `key` by `to` of the same length.
  void EditHeader(const std::string& key, const std::string& from, const std::string& to) {
    ASSERT_EQ(from.size(), to.size());
    for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/model")) {
      if (entry.path().extension() != ".safetensors") continue;
      std::string bytes = ReadFile(entry.path()).value();
      const size_t at = bytes.find(key);
      if (at == std::string::npos) continue;
      bytes.replace(bytes.find(from, at), from.size(), to);
      ASSERT_TRUE(WriteFileAtomically(entry.path(), bytes).ok());
      return;
    }
    FAIL() << "no header has " << key;
  }

  absl::StatusOr<InspectResult> Run() { return Inspect(job_, *model_, *blobs_); }

  std::string directory_;
  std::unique_ptr<ModelSource> model_;
  std::unique_ptr<BlobStore> blobs_;
  JobSpecification job_;
};

TEST_F(InspectTest, FindsMatricesAndCountsTokens) {
  auto result = Run();
  ASSERT_TRUE(result.ok()) << result.status();
  const Inspection& inspection = result->inspection;
  EXPECT_GT(inspection.tensors.size(), 0u);
  EXPECT_EQ(static_cast<int64_t>(inspection.tensors.size()), inspection.facts.quantizable_tensors);
  for (size_t i = 0; i < inspection.tensors.size(); ++i) {
    EXPECT_EQ(inspection.tensors[i].index, static_cast<int64_t>(i));
    EXPECT_FALSE(inspection.tensors[i].file_identity.empty());
  }
  EXPECT_EQ(inspection.published_windows, (inspection.token_count + 63) / 64);
  EXPECT_EQ(inspection.bos_windows, (inspection.token_count - 1 + 62) / 63);
  auto tokens = blobs_->Get(inspection.tokens_sha256);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_EQ(static_cast<int64_t>(tokens->size()), 4 * inspection.token_count);
}

TEST_F(InspectTest, SurvivesItsDocument) {
  job_.excludes = {"layers\\.0\\."};
  auto result = Run();
  ASSERT_TRUE(result.ok()) << result.status();
  const std::string text = InspectionToJson(result->inspection);
  auto back = InspectionFromJson(text);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(InspectionToJson(*back), text);
  EXPECT_EQ(back->tensors.at(1).record, result->inspection.tensors.at(1).record);
  EXPECT_FALSE(InspectionFromJson("{}").ok());
}

TEST_F(InspectTest, PinsAndExcludesKeepTheIndicesOfTheOthers) {
  auto all = Run();
  ASSERT_TRUE(all.ok()) << all.status();
  job_.excludes = {"layers\\.0\\."};
  job_.pins = {{"layers\\.1\\.", "keep"}, {"q_proj", "groupwise_int4"}, {"q_proj", "int2_base"}};
  auto result = Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->inspection.tensors.size() + result->inspection.kept.size(), all->inspection.tensors.size());
  for (const KeptTensor& kept : result->inspection.kept) {
    EXPECT_EQ(kept.excluded, kept.key.find("layers.0.") != std::string::npos) << kept.key;
    const TensorRecord& record = all->inspection.tensors.at(static_cast<size_t>(kept.index)).record;
    EXPECT_EQ(kept.key, record.key);
    std::string bytes(record.bytes, '\0');
    ASSERT_TRUE(model_->Read(record.file, record.offset, bytes.data(), bytes.size()).ok());
    EXPECT_EQ(kept.tensor_sha256, Sha256Hex(bytes));
  }
  EXPECT_THAT(result->warnings, testing::IsEmpty());
  bool pinned = false;
  for (const InspectedTensor& tensor : result->inspection.tensors) {
    EXPECT_EQ(tensor.record, all->inspection.tensors.at(static_cast<size_t>(tensor.index)).record);
    if (tensor.record.key.find("q_proj") == std::string::npos) continue;
    pinned = true;
    EXPECT_EQ(tensor.pinned_method, "groupwise_int4");  // the first rule that matches
  }
  EXPECT_TRUE(pinned);
}

TEST_F(InspectTest, ARuleThatMatchesNoMatrixIsAWarning) {
  // A pin behind another one of the same matrices matches; embeddings are no quantizable matrices.
  job_.pins = {{"q_proj", "keep"}, {"layers\\.0\\..*q_proj", "int2_base"}, {"query", "groupwise_int4"}};
  job_.excludes = {"embed_tokens", "k_proj"};
  auto result = Run();
  ASSERT_TRUE(result.ok()) << result.status();
  const std::string rest =
      " matches none of the " + std::to_string(result->inspection.facts.quantizable_tensors) + " quantizable matrices";
  EXPECT_THAT(result->warnings,
              testing::ElementsAre("--pin query=groupwise_int4" + rest, "--exclude embed_tokens" + rest));
}

TEST_F(InspectTest, RefusesBeforeAnyWork) {
  using Change = std::function<void(JobSpecification&)>;
  const std::pair<Change, const char*> cases[] = {
      {[](auto& s) { s.excludes = {"."}; }, "--exclude"},
      {[](auto& s) { s.corpus_sha256 = std::string(64, '0'); }, "0000"},
  };
  const JobSpecification good = job_;
  for (const auto& [change, name] : cases) {
    job_ = good;
    change(job_);
    const absl::Status status = Run().status();
    EXPECT_FALSE(status.ok()) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(name));
  }
}

// Only the headers of the model are changed: the shape [rows, cols] of one matrix becomes [2*rows, cols/2]. This was
// once found by the first worker that loaded the model, after the whole search.
TEST_F(InspectTest, AShapeThatContradictsTheConfigurationIsFoundBeforeAnyWork) {
  UseCopyOfModel();
  EditHeader("\"model.language_model.layers.0.self_attn.q_proj.weight\"", "\"shape\":[128,256]", "\"shape\":[256,128]");
  const absl::Status status = Run().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()),
            "tensor 'model.language_model.layers.0.self_attn.q_proj.weight' has shape [256,128]; config.json asks for "
            "[128,256]");
  job_.evaluate = false;
  auto result = Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->warnings, testing::Contains(HasSubstr("could not be scored: tensor 'model")));
}

TEST_F(InspectTest, AMatrixWithoutWeightsIsRefusedUnlessExcluded) {
  UseCopyOfModel();
  const std::string header = MakeSafetensorsHeader({{"model.language_model.x.weight", DType::kBF16, {0, 128}}}, {});
  ASSERT_TRUE(WriteFileAtomically(directory_ + "/model/x.safetensors", header).ok());
  job_.evaluate = false;
  const absl::Status status = Run().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()),
            "tensor 'model.language_model.x.weight' has shape [0,128], no weights; --exclude it");
  job_.pins = {{"x.weight", "keep"}};
  EXPECT_FALSE(Run().ok());
  job_.excludes = {"x\\.weight"};
  EXPECT_TRUE(Run().ok()) << Run().status();
}

TEST_F(InspectTest, ALastChunkOfOneTokenIsRefusedWithTheWayOut) {
  auto result = Run();
  ASSERT_TRUE(result.ok());
  job_.window = job_.stride = result->inspection.token_count - 1;
  const absl::Status status = Run().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--max-chunks"));
  job_.published_protocol = false;  // the other protocol does not mind
  EXPECT_TRUE(Run().ok());
}

TEST_F(InspectTest, WithoutEvaluationTheTextIsNotRead) {
  job_.evaluate = false;
  job_.corpus_sha256 = "";
  auto result = Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->inspection.token_count, 0);
  EXPECT_EQ(result->inspection.tokens_sha256, "");
}

}  // namespace
}  // namespace sub1quant
