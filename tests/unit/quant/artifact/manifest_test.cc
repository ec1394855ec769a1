#include "quant/artifact/manifest.h"

#include "core/digest.h"
#include "core/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/model/safetensors.h"
#include "temporary_directory.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

Manifest Example() {
  Manifest manifest;
  manifest.model_name = "gemma";
  manifest.selection = "multimodal";
  manifest.group_size = 32;
  manifest.target_bpw = 4.1;
  manifest.allocator = "greedy";
  manifest.formats = {"int2_base", "groupwise_int4"};
  manifest.inputs = Json{{"pins", Json::array()}, {"activation_weights", Json{{"b", 0.1}, {"a", 2}}}};
  for (int i = 0; i < 2; ++i) {
    ManifestTensor tensor;
    tensor.index = 3 * i;
    tensor.key = "layer." + std::to_string(i) + "\"\n\xc3\xa9";
    tensor.rows = 2;
    tensor.cols = 40;
    tensor.dtype = "BF16";
    tensor.tensor_sha256 = Sha256Hex("t");
    tensor.method = "groupwise_int4";
    tensor.codec_version = 2;
    tensor.bits = 80 * 4 + 64;
    ExactSum error;
    error.Add(0.1);
    if (i == 0) tensor.error = error;
    tensor.mse = 0.1 / 80;
    tensor.activation_weight = 0.3;
    tensor.blob_sha256 = Sha256Hex("b");
    tensor.blob_bytes = 1000;
    tensor.stored_bytes = 72;
    manifest.tensors.push_back(tensor);
  }
  manifest.kept = {{"kept", "F32", 2, 3, false, 1, Sha256Hex("k")}, {"excluded", "I8", 0, 7, true, 2, Sha256Hex("e")}};
  manifest.totals = TotalsOf(manifest.tensors, manifest.kept);
  manifest.uniform_int4 = AllocationTotals{2, 160, 4.8, std::nullopt};
  return manifest;
}

TEST(Manifest, TotalsCountKeptTensorsButNotExcludedOnes) {
  const AllocationTotals totals = Example().totals;
  EXPECT_EQ(totals.layers, 2);
  EXPECT_EQ(totals.total_params, 2 * 80 + 6);
  EXPECT_EQ(totals.average_bpw, (2 * (80 * 4 + 64) + 6 * 32) / 166.0);
  EXPECT_DOUBLE_EQ(totals.weighted_mse.value(), 2 * 0.1 / 166);
  std::vector<ManifestTensor> tensors = Example().tensors;
  tensors[1].mse.reset();
  EXPECT_FALSE(TotalsOf(tensors, {}).weighted_mse.has_value());
}

TEST(Manifest, ComesBackAsItWas) {
  const std::string text = ManifestToJson(Example());
  const absl::StatusOr<Manifest> read = ManifestFromJson(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ManifestToJson(*read), text);
  EXPECT_EQ(read->tensors[0].error, Example().tensors[0].error);
  EXPECT_FALSE(read->tensors[1].error.has_value());
  EXPECT_EQ(read->tensors[1].mse, 0.1 / 80);
  EXPECT_EQ(read->tensors[1].key, Example().tensors[1].key);
  EXPECT_EQ(read->target_bpw, 4.1);
  EXPECT_EQ(read->uniform_int4->average_bpw, 4.8);
  EXPECT_TRUE(read->kept[1].excluded);
  EXPECT_EQ(read->kept[1].index, 2);
  EXPECT_EQ(read->kept[1].tensor_sha256, Sha256Hex("e"));
  EXPECT_EQ(ManifestToJson(Example()), text) << "two writes differ";
}

TEST(Manifest, RefusesWhatCannotBe) {
  const Json good = ParseJson(ManifestToJson(Example())).value();
  const std::vector<std::pair<std::function<void(Json&)>, std::string>> cases = {
      {[](Json& j) { j["kind"] = "x"; }, "kind"},
      {[](Json& j) { j["format_version"] = 2; }, "format_version"},
      {[](Json& j) { j.erase("model_name"); }, "'model_name' is missing"},
      {[](Json& j) { j["group_size"] = 100; }, "group"},
      {[](Json& j) { j["tensors"] = 5; }, "tensors"},
      {[](Json& j) { j["tensors"][0] = 5; }, "tensors[0]"},
      {[](Json& j) { j["tensors"][1]["index"] = 0; }, "ascending"},
      {[](Json& j) { j["tensors"][1]["key"] = j["tensors"][0]["key"]; }, "once"},
      {[](Json& j) { j["kept"][1]["key"] = j["tensors"][0]["key"]; }, "once"},
      {[](Json& j) { j["tensors"][0]["blob_sha256"] = "../../etc/passwd"; }, "blob_sha256"},
      {[](Json& j) { j["tensors"][0]["tensor_sha256"] = "zz"; }, "tensor_sha256"},
      {[](Json& j) {
         j["tensors"][0]["shape"] = {0, 40};
       },
       "shape"},
      {[](Json& j) {
         j["tensors"][0]["shape"] = {1 << 30, 1 << 30};
       },
       "2^53"},
      {[](Json& j) {
         j["tensors"][0]["shape"] = {2.5, 40};
       },
       "shape"},
      {[](Json& j) { j["tensors"][0]["bits"] = -1; }, "bits"},
      {[](Json& j) { j["tensors"][0]["bits"] = UINT64_MAX; }, "bits"},
      {[](Json& j) { j["tensors"][0]["dtype"] = "I32"; }, "dtype"},
      {[](Json& j) { j["tensors"][0]["sse_2e60"] = "0x5"; }, "tensors[0]"},
      {[](Json& j) { j["tensors"][0]["mse"] = "1"; }, "mse"},
      {[](Json& j) { j["kept"][0]["excluded"] = 1; }, "excluded"},
      {[](Json& j) { j["kept"][0]["tensor_sha256"] = ""; }, "tensor_sha256"},
      {[](Json& j) { j["kept"][0]["dtype"] = "I7"; }, "dtype"},
      {[](Json& j) { j["formats"] = {1}; }, "formats"},
      {[](Json& j) { j["totals"] = nullptr; }, "totals"},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    Json json = good;
    cases[i].first(json);
    const absl::Status status = ManifestFromJson(DumpJson(json)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << i;
    EXPECT_THAT(std::string(status.message()), HasSubstr(cases[i].second)) << i;
  }
  EXPECT_FALSE(ManifestFromJson("[]").ok());
  EXPECT_FALSE(ManifestFromJson("{").ok());
}

EncodedMatrix EncodeRamp(const std::string& method) {
  std::vector<float> weights(3 * 70);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i) * 0.01f - 1.0f;
  EncodeOptions options;
  options.group_size = 32;
  return FindCodec(method)->Encode({weights.data(), DType::kF32, 3, 70}, options).value();
}

TEST(EncodedBlob, IsASafetensorsFileAndComesBack) {
  for (const std::string& method : KnownMethods()) {
    const EncodedMatrix encoded = EncodeRamp(method);
    const std::string blob = EncodedToBlob(encoded);
    EXPECT_EQ(EncodedToBlob(encoded), blob);
    ASSERT_TRUE(ParseSafetensorsHeader(blob, blob.size(), "blob").ok());
    ManifestTensor tensor;
    tensor.key = "k";
    tensor.rows = 3;
    tensor.cols = 70;
    tensor.method = method;
    tensor.error = encoded.error;
    const absl::StatusOr<EncodedMatrix> read = EncodedFromBlob(blob, tensor, 32);
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_EQ(read->arrays.size(), encoded.arrays.size());
    for (const EncodedArray& array : encoded.arrays) {
      ASSERT_NE(read->Find(array.name), nullptr) << array.name;
      EXPECT_EQ(read->Find(array.name)->bytes, array.bytes);
      EXPECT_EQ(read->Find(array.name)->shape, array.shape);
      EXPECT_EQ(read->Find(array.name)->dtype, array.dtype);
    }
    EXPECT_EQ(read->error, encoded.error);
    EXPECT_EQ(EncodedToBlob(*read), blob);

    EXPECT_EQ(EncodedFromBlob(blob, tensor, 64).status().code(), absl::StatusCode::kDataLoss);
    tensor.cols = 71;
    EXPECT_EQ(EncodedFromBlob(blob, tensor, 32).status().code(), absl::StatusCode::kDataLoss);
    EXPECT_FALSE(EncodedFromBlob(blob.substr(0, blob.size() - 1), tensor, 32).ok());
  }
}

TEST(Artifact, OpensWithManifestAndBlobsOnly) {
  TemporaryDirectory temporary;
  EXPECT_EQ(OpenArtifact(temporary.path()).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(WriteFileAtomically(temporary.File("manifest.json"), ManifestToJson(Example())).ok());
  EXPECT_EQ(OpenArtifact(temporary.path()).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(MakeDirectories(temporary.File("blobs")).ok());
  const absl::StatusOr<Artifact> artifact = OpenArtifact(temporary.path());
  ASSERT_TRUE(artifact.ok()) << artifact.status();
  EXPECT_EQ(artifact->manifest.tensors.size(), 2u);
  EXPECT_EQ(ListDirectory(temporary.File("blobs")).value().size(), 0u) << "opening writes nothing";
}

}  // namespace
}  // namespace sub1quant
