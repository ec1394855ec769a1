// A manifest's matrices in place of the model's: the golden losses of every uniform format, and what must be refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "absl/strings/match.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/json.h"
#include "quant/codec/codec.h"
#include "quant/model/quantizable.h"
#include "quant/model/safetensors.h"
#include "tests/unit/quant/eval/torch/model_files.h"

namespace sub1quant {
namespace {

using testing::HasSubstr;

// Blobs in memory: a folder of them would spend the test's time in fsync.
class MemoryBlobs : public BlobStore {
 public:
  std::string Put(const std::string& bytes) {
    const std::string digest = Sha256Hex(bytes);
    blobs_[digest] = bytes;
    return digest;
  }
  absl::StatusOr<std::string> Get(const std::string& sha256) override {
    const auto found = blobs_.find(sha256);
    if (found == blobs_.end()) return absl::NotFoundError("no blob " + sha256);
    return found->second;
  }
  absl::Status Delete(const std::string& sha256) override {
    return blobs_.erase(sha256) == 1 ? absl::OkStatus() : absl::NotFoundError("no blob " + sha256);
  }
  absl::StatusOr<std::unique_ptr<Writer>> NewWriter(const std::string&) override {
    return absl::UnimplementedError("NewWriter");
  }
  absl::StatusOr<uint64_t> Size(const std::string&) override { return absl::UnimplementedError("Size"); }
  absl::Status ReadRange(const std::string&, uint64_t, void*, size_t) override {
    return absl::UnimplementedError("ReadRange");
  }
  std::string LocalPath(const std::string&) override { return ""; }

 private:
  std::map<std::string, std::string> blobs_;
};

// The tiny model with every quantizable matrix in one format.
struct UniformArtifact {
  std::unique_ptr<MemoryBlobs> blobs = std::make_unique<MemoryBlobs>();
  Manifest manifest;
};

std::unique_ptr<UniformArtifact> Encode(const std::string& method) {
  auto artifact = std::make_unique<UniformArtifact>();
  const auto source = OpenModelDirectory(TinyModelDirectory()).value();
  const TensorInventory inventory = ReadInventory(*source).value();
  for (const size_t index : SelectQuantizable(inventory).indices) {
    const TensorRecord& record = inventory.tensors[index];
    std::string bytes(record.bytes, '\0');
    EXPECT_TRUE(source->Read(record.file, record.offset, bytes.data(), bytes.size()).ok());
    const MatrixView view = {bytes.data(), record.dtype, record.rows(), record.cols()};
    const EncodedMatrix encoded = FindCodec(method)->Encode(view, {}).value();
    ManifestTensor tensor;
    tensor.index = static_cast<int64_t>(artifact->manifest.tensors.size());
    tensor.key = record.key;
    tensor.rows = record.rows();
    tensor.cols = record.cols();
    tensor.dtype = DTypeName(record.dtype);
    tensor.method = method;
    tensor.codec_version = FindCodec(method)->version();
    tensor.blob_sha256 = artifact->blobs->Put(EncodedToBlob(encoded));
    artifact->manifest.tensors.push_back(tensor);
  }
  return artifact;
}

// The model in a place that outlives every scorer.
ModelSource& TinySource() {
  static const auto source = OpenModelDirectory(TinyModelDirectory()).value();
  return *source;
}

absl::StatusOr<std::unique_ptr<Scorer>> LoadWith(const UniformArtifact& artifact, const std::string& dtype = "float32",
                                                 uint64_t memory_bytes = 0) {
  InitializeTorch();
  const WeightOverlay overlay = {&artifact.manifest, artifact.blobs.get()};
  return Scorer::Load(TinySource(), overlay, {.dtype = dtype, .threads = 2, .memory_bytes = memory_bytes});
}

std::vector<double> GoldenLosses(const std::string& run) {
  const std::string text = ReadFile(SUB1QUANT_TESTDATA "/gemma4-tiny-golden/perplexity.json").value();
  return ParseJson(text).value()["runs"][run]["published"]["losses"].get<std::vector<double>>();
}

const std::vector<Window> kFirstTwo = {{0, 512, false, 511, 512}, {512, 1024, false, 511, 512}};

class UniformFormat : public testing::TestWithParam<std::string> {};

TEST_P(UniformFormat, LossesMatchTransformers) {
  const auto artifact = Encode(GetParam());
  ASSERT_EQ(artifact->manifest.tensors.size(), 64u);
  const auto scorer = LoadWith(*artifact).value();
  EXPECT_EQ(scorer->apply_stats().replaced, 58);
  EXPECT_EQ(scorer->apply_stats().skipped, 6);
  EXPECT_EQ(scorer->apply_stats().missing, 0);
  EXPECT_EQ(scorer->apply_stats().shape_mismatches, 0);
  const auto scores = scorer->Score(TinyTokens(), kFirstTwo, 0, nullptr).value();
  const std::vector<double> want = GoldenLosses(GetParam());
  for (size_t i = 0; i < scores.size(); ++i)
    EXPECT_NEAR(scores[i].nll.ToDouble() / 511, want[i], 2e-5) << "window " << i;
}

TEST_P(UniformFormat, DecodedAnewForEachLayerTheLossesAreTheSame) {
  const auto artifact = Encode(GetParam());
  const auto kept = LoadWith(*artifact).value()->Score(TinyTokens(), kFirstTwo, 0, nullptr).value();
  const auto streamed = LoadWith(*artifact, "float32", 1).value();
  ASSERT_FALSE(streamed->in_memory());
  const auto scores = streamed->Score(TinyTokens(), kFirstTwo, 0, nullptr).value();
  for (size_t i = 0; i < scores.size(); ++i) EXPECT_EQ(scores[i].nll, kept[i].nll) << "window " << i;
}

INSTANTIATE_TEST_SUITE_P(Published, UniformFormat, testing::ValuesIn(PublishedMethods()));

class Refusal : public testing::Test {
 protected:
  void ExpectRefusal(absl::StatusCode code, const std::string& text) {
    const absl::Status status = LoadWith(*artifact_).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  }

  std::unique_ptr<UniformArtifact> artifact_ = Encode("groupwise_int4");
  ManifestTensor& tensor_ = artifact_->manifest.tensors[5];
};

TEST_F(Refusal, AKeyThatTheModelLacks) {
  tensor_.key = "model.language_model.layers.7.mlp.up_proj.weight";
  ExpectRefusal(absl::StatusCode::kInvalidArgument,
                "'model.language_model.layers.7.mlp.up_proj.weight' is not in the model");
}

TEST_F(Refusal, AKeyThatTheForwardPassDoesNotUse) {
  tensor_.key = "model.language_model.norm.weight";
  ExpectRefusal(absl::StatusCode::kInvalidArgument, "'model.language_model.norm.weight' is no matrix");
}

TEST_F(Refusal, AnotherShape) {
  tensor_.rows += 1;
  ExpectRefusal(absl::StatusCode::kInvalidArgument, "0 missing, 1 of another shape");
  ExpectRefusal(absl::StatusCode::kInvalidArgument, tensor_.key);
}

TEST_F(Refusal, TheSameKeyTwice) {
  artifact_->manifest.tensors.push_back(tensor_);
  ExpectRefusal(absl::StatusCode::kInvalidArgument, "twice");
}

TEST_F(Refusal, AnUnknownFormat) {
  tensor_.method = "int3_dream";
  ExpectRefusal(absl::StatusCode::kInvalidArgument, tensor_.key + "': unknown format 'int3_dream'");
}

TEST_F(Refusal, AMissingBlob) {
  ASSERT_TRUE(artifact_->blobs->Delete(tensor_.blob_sha256).ok());
  ExpectRefusal(absl::StatusCode::kNotFound, tensor_.key);
}

TEST_F(Refusal, ABlobOfAnotherMatrix) {
  for (const ManifestTensor& other : artifact_->manifest.tensors) {
    if (other.rows * other.cols != tensor_.rows * tensor_.cols) tensor_.blob_sha256 = other.blob_sha256;
  }
  EXPECT_THAT(std::string(LoadWith(*artifact_).status().message()), HasSubstr(tensor_.key));
}

TEST(Overlay, UnusedMatricesMayHoldAnything) {
  const auto artifact = Encode("groupwise_int4");
  const auto base = LoadWith(*artifact).value()->Score(TinyTokens(), {kFirstTwo[0]}, 0, nullptr).value();
  // Layers 4-6 share keys and values: exchange two of their matrices of one shape.
  std::vector<ManifestTensor*> unused;
  for (ManifestTensor& tensor : artifact->manifest.tensors) {
    if (absl::StrContains(tensor.key, "layers.4.self_attn.k_") ||
        absl::StrContains(tensor.key, "layers.5.self_attn.v_")) {
      unused.push_back(&tensor);
    }
  }
  ASSERT_EQ(unused.size(), 2u);
  std::swap(unused[0]->blob_sha256, unused[1]->blob_sha256);
  const auto swapped = LoadWith(*artifact).value()->Score(TinyTokens(), {kFirstTwo[0]}, 0, nullptr).value();
  EXPECT_EQ(swapped[0].nll, base[0].nll);
}

TEST(Overlay, Bfloat16StaysNearFloat32) {
  const auto artifact = Encode("groupwise_int4");
  const auto scores = LoadWith(*artifact, "bfloat16").value()->Score(TinyTokens(), kFirstTwo, 0, nullptr).value();
  const std::vector<double> want = GoldenLosses("groupwise_int4");
  for (size_t i = 0; i < scores.size(); ++i)
    EXPECT_NEAR(scores[i].nll.ToDouble() / 511, want[i], 5e-3) << "window " << i;
}

}  // namespace
}  // namespace sub1quant
