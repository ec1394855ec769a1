#include "quant/artifact/pt.h"

#include <cmath>
#include <filesystem>

#include "core/digest.h"
#include "core/file.h"
#include "gmock/gmock.h"
#include "golden_checkpoint.h"
#include "gtest/gtest.h"
#include "quant/artifact/pickle_writer.h"
#include "quant/artifact/zip_writer.h"
#include "quant/model/safetensors.h"
#include "temporary_directory.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

std::string Hex(const std::vector<uint8_t>& bytes) {
  std::string hex;
  for (uint8_t byte : bytes) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

// Every array and number of an opened file against the golden JSON.
void ExpectGolden(const PtFile& file) {
  const Json golden = GoldenCheckpoint();
  const Manifest& manifest = file.manifest();
  ASSERT_EQ(manifest.tensors.size(), 5u);
  EXPECT_EQ(manifest.model_name, "pt-model");
  EXPECT_EQ(manifest.selection, "multimodal");
  EXPECT_EQ(manifest.group_size, 128);
  EXPECT_EQ(manifest.target_bpw, 3.4);
  EXPECT_EQ(manifest.totals.average_bpw, golden["stats"]["avg_bpw"].get<double>());
  EXPECT_EQ(manifest.uniform_int4->average_bpw, golden["stats"]["uniform_int4"]["avg_bpw"].get<double>());
  for (size_t i = 0; i < manifest.tensors.size(); ++i) {
    const ManifestTensor& tensor = manifest.tensors[i];
    const Json& entry = golden["quantized"][std::to_string(i)];
    EXPECT_EQ(tensor.index, static_cast<int64_t>(i));
    EXPECT_EQ(tensor.key, entry["key"]);
    EXPECT_EQ(tensor.method, golden["weight_keys"][i]["method"]);
    EXPECT_EQ(static_cast<double>(tensor.bits) / static_cast<double>(tensor.params()), entry["bpw"].get<double>());
    EXPECT_NEAR(tensor.mse.value() / golden["stats"]["layer_stats"][i]["mse"].get<double>(), 1, 1e-6);
    const absl::StatusOr<EncodedMatrix> encoded = file.Read(i);
    ASSERT_TRUE(encoded.ok()) << encoded.status();
    size_t arrays = 0;
    for (const auto& item : entry.items()) {
      if (!item.value().is_object()) continue;
      ++arrays;
      const EncodedArray* array = encoded->Find(item.key());
      ASSERT_NE(array, nullptr) << item.key();
      EXPECT_EQ(Hex(array->bytes), item.value()["hex"]) << tensor.key << " " << item.key();
      EXPECT_EQ(Json(array->shape), item.value()["shape"]);
    }
    EXPECT_EQ(encoded->arrays.size(), arrays);
    std::vector<float> values(static_cast<size_t>(tensor.params()));
    EXPECT_TRUE(FindCodec(tensor.method)->Decode(*encoded, 0, tensor.rows, values.data()).ok());
  }
}

TEST(Pt, ReaderReadsTheGoldenFileOfTorch) {
  const auto file = PtFile::Open(GoldenPath("pt-model.pt"));
  ASSERT_TRUE(file.ok()) << file.status();
  ExpectGolden(**file);
}

class PtWriterTest : public ::testing::Test {
 protected:
  std::unique_ptr<PtFile> Reopen(const std::string& bytes) {
    EXPECT_TRUE(WriteFileAtomically(temporary_.File("x.pt"), bytes).ok());
    auto file = PtFile::Open(temporary_.File("x.pt"));
    EXPECT_TRUE(file.ok()) << file.status();
    return file.ok() ? *std::move(file) : nullptr;
  }
  TemporaryDirectory temporary_;
  PackedModel packed_ = PackGoldenModel();
};

TEST_F(PtWriterTest, TwoWritesGiveTheSameBytesThatTheReaderReads) {
  const std::string bytes = WritePtToString(packed_.manifest, SourceOf(packed_)).value();
  EXPECT_EQ(WritePtToString(packed_.manifest, SourceOf(packed_)).value(), bytes);
  const auto file = Reopen(bytes);
  ASSERT_NE(file, nullptr);
  ExpectGolden(*file);
}

TEST_F(PtWriterTest, AFileReadAndWrittenAgainIsTheSame) {
  const std::string bytes = WritePtToString(packed_.manifest, SourceOf(packed_)).value();
  const auto file = Reopen(bytes);
  ASSERT_NE(file, nullptr);
  const absl::StatusOr<std::string> again = WritePtToString(file->manifest(), [&](size_t i) { return file->Read(i); });
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again == bytes, true);
}

// The container may cost what torch's costs: 365 to 530 bytes a tensor (docs/formats.md §5), here with its statistics.
TEST_F(PtWriterTest, IsNotLargerThanWhatTorchWrites) {
  const std::string bytes = WritePtToString(packed_.manifest, SourceOf(packed_)).value();
  EXPECT_LT(bytes.size(), ReadFile(GoldenPath("pt-model.pt")).value().size() + 1000);
}

TEST_F(PtWriterTest, Int2BaseWithoutTheIgnoredArrays) {
  for (EncodedMatrix& matrix : packed_.matrices)
    if (matrix.method == "int2_base")
      std::erase_if(matrix.arrays, [](const EncodedArray& array) { return array.name.rfind("residual_", 0) == 0; });
  const auto file = Reopen(WritePtToString(packed_.manifest, SourceOf(packed_)).value());
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->Read(2).value().arrays.size(), 2u);
  EXPECT_EQ(file->Read(0).value().arrays.size(), 4u);
}

TEST_F(PtWriterTest, UnknownErrorsBecomeNone) {
  for (ManifestTensor& tensor : packed_.manifest.tensors) tensor.mse.reset();
  packed_.manifest.totals = TotalsOf(packed_.manifest.tensors, {});
  packed_.manifest.uniform_int4.reset();
  packed_.manifest.target_bpw.reset();
  const auto file = Reopen(WritePtToString(packed_.manifest, SourceOf(packed_)).value());
  ASSERT_NE(file, nullptr);
  EXPECT_FALSE(file->manifest().tensors[0].mse.has_value());
  EXPECT_FALSE(file->manifest().target_bpw.has_value());
  EXPECT_FALSE(file->manifest().uniform_int4.has_value());
}

TEST_F(PtWriterTest, RefusesASourceThatGivesSomethingElse) {
  std::swap(packed_.matrices[0], packed_.matrices[1]);
  const absl::Status status = WritePtToString(packed_.manifest, SourceOf(packed_)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(packed_.manifest.tensors[0].key));
}

TEST_F(PtWriterTest, AFailingSinkEndsTheWriting) {
  const absl::Status status = WritePt(packed_.manifest, SourceOf(packed_),
                                      [](const void*, size_t) { return absl::ResourceExhaustedError("full"); });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
}

// Header of the reference's uniform INT4 file: other method, stats and config, weight_keys without method, mse None.
TEST_F(PtWriterTest, ReaderReadsTheUniformInt4Variant) {
  PickleWriter pickle;
  pickle.BeginDict();
  pickle.String("quantized");
  pickle.BeginDict();
  pickle.Int(0);
  pickle.BeginDict();
  pickle.String("format");
  pickle.String("groupwise_int4");
  pickle.String("group_size");
  pickle.Int(32);
  pickle.String("orig_shape");
  pickle.Value({2, 40});
  pickle.String("padded_shape");
  pickle.Value({2, 64});
  pickle.String("bpw");
  pickle.Float(4.8);
  pickle.String("bits");
  pickle.Int(4);
  pickle.String("scales");
  pickle.Tensor(DType::kF16, {2, 2}, "0");
  pickle.String("packed_int4");
  pickle.Tensor(DType::kU8, {64}, "1");
  pickle.String("key");
  pickle.String("model.layers.0.mlp.up_proj.weight");
  pickle.EndDict();
  pickle.EndDict();
  pickle.String("stats");
  pickle.Value(Json{{"layers", 1},
                    {"weighted_mean_abs_error", 0.1},
                    {"layer_stats", {Json{{"key", "model.layers.0.mlp.up_proj.weight"}, {"mse", nullptr}}}}});
  pickle.String("method");
  pickle.String("groupwise_int4");
  pickle.String("config");
  pickle.Value(Json{{"model_dir", "/models/tiny/"}, {"source_dtype", "bfloat16"}});
  pickle.String("weight_keys");
  pickle.Value(Json::array({Json{{"key", "model.layers.0.mlp.up_proj.weight"}, {"shape", {2, 40}}}}));
  pickle.EndDict();
  std::string bytes;
  ZipWriter zip([&](const void* data, size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return absl::OkStatus();
  });
  const auto add = [&](const std::string& name, const std::string& data) {
    ASSERT_TRUE(zip.Add("archive/" + name, data.data(), data.size()).ok());
  };
  add("data.pkl", pickle.Finish());
  add("data/0", std::string("\x00\x3c\x00\x3c\x00\xbc\x00\x3c", 8));
  add("data/1", std::string(64, '\x80'));  // nibble 0 and a negative scale are legal
  add("version", "3\n");
  ASSERT_TRUE(zip.Finish().ok());
  const auto file = Reopen(bytes);
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->manifest().model_name, "tiny");
  EXPECT_EQ(file->manifest().selection, "text-only");
  EXPECT_FALSE(file->manifest().tensors[0].mse.has_value());
  std::vector<float> values(80);
  ASSERT_TRUE(FindCodec("groupwise_int4")->Decode(file->Read(0).value(), 0, 2, values.data()).ok());
  EXPECT_EQ(values[0], -8.0f);
  EXPECT_EQ(values[40], 8.0f);
}

TEST(PtImport, MakesAnArtifactThatDecodesTheSame) {
  TemporaryDirectory temporary;
  const auto model = OpenModelDirectory(GoldenPath("pt-model")).value();
  const std::string directory = temporary.File("artifact");
  const absl::Status status = ImportPt(GoldenPath("pt-model.pt"), model.get(), directory);
  ASSERT_TRUE(status.ok()) << status;
  const Artifact artifact = OpenArtifact(directory).value();
  const auto file = PtFile::Open(GoldenPath("pt-model.pt")).value();
  const PackedModel packed = PackGoldenModel();
  for (size_t i = 0; i < 5; ++i) {
    const ManifestTensor& tensor = artifact.manifest.tensors[i];
    EXPECT_EQ(tensor.dtype, packed.manifest.tensors[i].dtype);
    EXPECT_EQ(tensor.tensor_sha256, packed.manifest.tensors[i].tensor_sha256);
    EXPECT_EQ(tensor.stored_bytes, packed.manifest.tensors[i].stored_bytes) << "int2_base drops its residual arrays";
    const EncodedMatrix encoded = EncodedFromBlob(artifact.blobs->Get(tensor.blob_sha256).value(), tensor, 128).value();
    std::vector<float> a(static_cast<size_t>(tensor.params())), b(a.size());
    ASSERT_TRUE(FindCodec(tensor.method)->Decode(encoded, 0, tensor.rows, a.data()).ok());
    ASSERT_TRUE(FindCodec(tensor.method)->Decode(file->Read(i).value(), 0, tensor.rows, b.data()).ok());
    EXPECT_EQ(a, b);
  }
  EXPECT_EQ(ImportPt(GoldenPath("pt-model.pt"), nullptr, directory).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ListDirectory(temporary.path()).value().size(), 1u) << "nothing but the artifact remains";
}

// What the checkpoint leaves out is kept, with its place and digest: the fingerprint of the model is whole.
TEST(PtImport, ListsTheMatricesThatTheCheckpointLeavesOut) {
  TemporaryDirectory temporary;
  std::filesystem::copy(GoldenPath("pt-model"), temporary.File("model"));
  const std::string header = MakeSafetensorsHeader({{"model.language_model.zz.weight", DType::kBF16, {1, 2}}}, {});
  ASSERT_TRUE(WriteFileAtomically(temporary.File("model/z.safetensors"), header + "abcd").ok());
  const auto model = OpenModelDirectory(temporary.File("model")).value();
  const absl::Status status = ImportPt(GoldenPath("pt-model.pt"), model.get(), temporary.File("artifact"));
  ASSERT_TRUE(status.ok()) << status;
  const Manifest manifest = OpenArtifact(temporary.File("artifact")).value().manifest;
  ASSERT_EQ(manifest.kept.size(), 1u);
  EXPECT_EQ(manifest.kept[0].key, "model.language_model.zz.weight");
  EXPECT_EQ(manifest.kept[0].index, 5);
  EXPECT_EQ(manifest.kept[0].tensor_sha256, Sha256Hex("abcd"));
}

TEST(PtImport, IntoBlobsAndWithoutAModel) {
  TemporaryDirectory temporary;
  const auto blobs = OpenBlobDirectory(temporary.path()).value();
  const auto digest = ImportPtToBlobs(GoldenPath("pt-model.pt"), nullptr, *blobs);
  ASSERT_TRUE(digest.ok()) << digest.status();
  const Manifest manifest = ManifestFromJson(blobs->Get(*digest).value()).value();
  EXPECT_EQ(manifest.tensors[0].tensor_sha256, "");
  EXPECT_EQ(ImportPtToBlobs(GoldenPath("pt-model.pt"), nullptr, *blobs).value(), *digest);
}

TEST(PtImport, RefusesAModelWithoutItsTensors) {
  TemporaryDirectory temporary;
  const auto model = OpenModelDirectory(SUB1QUANT_TESTDATA "/gemma4-tiny").value();
  const absl::Status status = ImportPt(GoldenPath("pt-model.pt"), model.get(), temporary.File("a"));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(ListDirectory(temporary.path()).value().empty());
}

}  // namespace
}  // namespace sub1quant
