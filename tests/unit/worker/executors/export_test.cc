#include "worker/executors/export.h"

#include "core/digest.h"
#include "gmock/gmock.h"
#include "quant/artifact/pt.h"
#include "tests/unit/worker/executors/fixture.h"
#include "worker/executors/pack.h"

namespace sub1quant::testing {
namespace {

using ::testing::HasSubstr;

class ExportTest : public ExecutorTest {
 protected:
  // Packs the matrices and puts a manifest of them into the store; returns its digest.
  std::string Seal(const std::vector<std::pair<std::string, std::string>>& formats) {
    PackExecutor pack(resources());
    Manifest manifest;
    manifest.model_name = "gemma4-tiny";
    manifest.selection = "multimodal";
    manifest.target_bpw = 4.0;
    manifest.allocator = "greedy";
    for (const auto& [key, method] : formats) {
      const TensorRecord& record = Tensor(key);
      const PackResult packed = pack.Execute({{"r", "m"}, record, Identity(), 128, method}, context_).value();
      ManifestTensor tensor;
      tensor.index = static_cast<int64_t>(manifest.tensors.size());
      tensor.key = key;
      tensor.rows = record.rows();
      tensor.cols = record.cols();
      tensor.dtype = DTypeName(record.dtype);
      tensor.tensor_sha256 = packed.tensor_sha256;
      tensor.method = method;
      tensor.bits = packed.row.bits;
      tensor.error = packed.row.error;
      tensor.mse = packed.row.error.ToDouble() / static_cast<double>(tensor.params());
      tensor.blob_sha256 = packed.blob_sha256;
      tensor.blob_bytes = packed.blob_bytes;
      tensor.stored_bytes = packed.stored_bytes;
      manifest.tensors.push_back(tensor);
    }
    manifest.totals = TotalsOf(manifest.tensors, manifest.kept);
    return PutBlob(*blobs_, ManifestToJson(manifest)).value();
  }
  absl::StatusOr<ExportResult> Export(const std::string& manifest, const std::string& target = "pt") {
    return ExportExecutor(resources()).Execute({{"r", "m"}, manifest, target}, context_);
  }
  TaskContext context_;
};

TEST_F(ExportTest, TheCheckpointHoldsWhatTheCodecsMakeWithIgnoredArrays) {
  const std::vector<std::pair<std::string, std::string>> formats{{kSquare, "int2_base"}, {kNarrow, "groupwise_int4"}};
  const auto result = Export(Seal(formats));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(blobs_->Size(result->blob_sha256).value(), result->blob_bytes);
  const auto file = PtFile::Open(blobs_->LocalPath(result->blob_sha256));
  ASSERT_TRUE(file.ok()) << file.status();
  for (size_t i = 0; i < formats.size(); ++i) {
    const std::string bytes = BytesOf(Tensor(formats[i].first));
    const MatrixView view{bytes.data(), DType::kBF16, Tensor(formats[i].first).rows(), Tensor(formats[i].first).cols()};
    EncodeOptions options;
    options.keep_ignored_arrays = true;
    const EncodedMatrix expected = FindCodec(formats[i].second)->Encode(view, options).value();
    const auto read = (*file)->Read(i);
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_EQ(read->arrays.size(), expected.arrays.size()) << formats[i].second;
    for (const EncodedArray& array : expected.arrays) {
      ASSERT_NE(read->Find(array.name), nullptr) << array.name;
      EXPECT_EQ(read->Find(array.name)->bytes, array.bytes) << array.name;
    }
  }
}

TEST_F(ExportTest, TwiceTheSameBytes) {
  const std::string manifest = Seal({{kSquare, "int2_error_budget_k4"}, {kNarrow, "int2_base"}});
  EXPECT_EQ(Export(manifest).value().blob_sha256, Export(manifest).value().blob_sha256);
}

TEST_F(ExportTest, TheModelIsOpenedOnlyForWhatNeedsIt) {
  const std::string manifest = Seal({{kSquare, "groupwise_int4"}});
  models_.opened = 0;
  ASSERT_TRUE(Export(manifest).ok());
  EXPECT_EQ(models_.opened, 0);
}

TEST_F(ExportTest, AModelWithOtherWeightsIsRefused) {
  const std::string manifest = Seal({{kSquare, "int2_base"}});
  const std::string path = directory_ + "/model/model.safetensors";
  std::string bytes = ReadFile(path).value();
  bytes[Tensor(kSquare).offset] ^= 1;
  ASSERT_TRUE(WriteFileAtomically(path, bytes).ok());
  const absl::Status status = Export(manifest).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("model changed"));
}

TEST_F(ExportTest, RefusesOtherTargetsAndMissingBlobs) {
  EXPECT_TRUE(absl::IsInvalidArgument(Export(Seal({{kSquare, "groupwise_int4"}}), "gguf").status()));
  EXPECT_TRUE(absl::IsNotFound(Export(std::string(64, 'a')).status()));
}

TEST_F(ExportTest, ACancelledExportLeavesNoBlob) {
  const std::string manifest = Seal({{kSquare, "groupwise_int4"}});
  context_.Cancel();
  EXPECT_TRUE(absl::IsCancelled(Export(manifest).status()));
}

}  // namespace
}  // namespace sub1quant::testing
