// search and pack on the tiny model.
#include <cstring>
#include <fstream>

#include "core/digest.h"
#include "core/json.h"
#include "gmock/gmock.h"
#include "quant/artifact/manifest.h"
#include "tests/unit/worker/executors/fixture.h"
#include "worker/executors/pack.h"
#include "worker/executors/search.h"

namespace sub1quant::testing {
namespace {

using ::testing::HasSubstr;

class TensorTasks : public ExecutorTest {
 protected:
  SearchTask Search(const std::string& key) { return {{"r", "m"}, Tensor(key), Identity(), 128, PublishedMethods()}; }
  PackTask Pack(const std::string& key, const std::string& method) {
    return {{"r", "m"}, Tensor(key), Identity(), 128, method};
  }
  TaskContext context_;
};

TEST_F(TensorTasks, SearchAnswersWhatSearchMatrixSays) {
  SearchExecutor executor(resources());
  for (const char* key : {kSquare, kNarrow}) {
    const auto result = executor.Execute(Search(key), context_);
    ASSERT_TRUE(result.ok()) << result.status();
    const std::string bytes = BytesOf(Tensor(key));
    EXPECT_EQ(result->tensor_sha256, Sha256Hex(bytes));
    const MatrixView view{bytes.data(), DType::kBF16, Tensor(key).rows(), Tensor(key).cols()};
    EXPECT_EQ(result->rows, SearchMatrix(view, 128, PublishedMethods(), 1).value());
  }
}

// Golden hashes of another implementation (tests/testdata/gemma4-tiny-golden).
TEST_F(TensorTasks, PackedBlobsDecodeToTheGoldenWeights) {
  const Json golden = Json::parse(std::ifstream(SUB1QUANT_TESTDATA "/gemma4-tiny-golden/quantized_weights.json"));
  PackExecutor executor(resources());
  for (const char* key : {kSquare, kNarrow}) {
    for (const std::string& method : PublishedMethods()) {
      const auto result = executor.Execute(Pack(key, method), context_);
      ASSERT_TRUE(result.ok()) << method << ": " << result.status();
      const std::string blob = blobs_->Get(result->blob_sha256).value();
      EXPECT_EQ(result->blob_bytes, blob.size());
      ManifestTensor tensor;
      tensor.key = key;
      tensor.method = method;
      tensor.rows = Tensor(key).rows();
      tensor.cols = Tensor(key).cols();
      const auto encoded = EncodedFromBlob(blob, tensor, 128);
      ASSERT_TRUE(encoded.ok()) << encoded.status();
      EXPECT_EQ(result->stored_bytes, encoded->stored_bytes());
      std::vector<float> decoded(static_cast<size_t>(tensor.params()));
      ASSERT_TRUE(FindCodec(method)->Decode(*encoded, 0, tensor.rows, decoded.data()).ok());
      // The golden hashes are of values whose codes were still float32: where the value is q*s alone, a negative weight
      // with code 0 was -0. Stored codes have no sign of zero.
      const bool signed_zeros = method == "int2_base" || method == "groupwise_int4";
      const std::string source = BytesOf(Tensor(key));
      std::string rounded;  // to nearest even; the weights are finite
      for (size_t i = 0; i < decoded.size(); ++i) {
        uint32_t bits;
        std::memcpy(&bits, &decoded[i], sizeof bits);
        bits += 0x7fff + ((bits >> 16) & 1);
        bits >>= 16;
        if (signed_zeros && bits == 0 && (source[2 * i + 1] & 0x80) != 0) bits = 0x8000;
        rounded += static_cast<char>(bits & 255);
        rounded += static_cast<char>(bits >> 8);
      }
      EXPECT_EQ(Sha256Hex(rounded), golden["detail"][key][method]["bf16_sha256"].get<std::string>()) << key << method;
    }
  }
}

TEST_F(TensorTasks, PackReportsTheRowThatSearchFound) {
  const auto search = SearchExecutor(resources()).Execute(Search(kNarrow), context_);
  PackExecutor executor(resources());
  for (const CandidateRow& row : search.value().rows) {
    EXPECT_EQ(executor.Execute(Pack(kNarrow, row.method), context_).value().row, row) << row.method;
  }
}

// What the search kept is used, and changes nothing: same blob, same row as from a worker that has not searched.
TEST_F(TensorTasks, PackTakesOverWhatSearchKept) {
  PackExecutor pack(resources());
  std::vector<PackResult> alone;
  for (const std::string& method : PublishedMethods())
    alone.push_back(pack.Execute(Pack(kNarrow, method), context_).value());
  EXPECT_EQ(choices_.bytes(), 0u);
  ASSERT_TRUE(SearchExecutor(resources()).Execute(Search(kNarrow), context_).ok());
  EXPECT_GT(choices_.bytes(), 0u);
  for (size_t i = 0; i < alone.size(); ++i) {
    const PackResult after = pack.Execute(Pack(kNarrow, PublishedMethods()[i]), context_).value();
    EXPECT_EQ(after.blob_sha256, alone[i].blob_sha256) << PublishedMethods()[i];
    EXPECT_EQ(after.row, alone[i].row) << PublishedMethods()[i];
  }
}

TEST(ChoiceCacheTest, IsBoundedAndForgetsTheOldest) {
  const Codec& codec = *FindCodec("int2_error_budget_k4");
  const MatrixView matrix{nullptr, DType::kBF16, 4, 128};
  const auto choices = [](size_t bytes) { return KeptChoices{std::vector<uint8_t>(bytes, 1), ExactSum()}; };
  ChoiceCache cache(100);
  cache.Keep("a", matrix, 128, codec, choices(60));
  const auto held = cache.Find("a", matrix, 128, codec);
  ASSERT_NE(held, nullptr);
  EXPECT_EQ(cache.Find("a", matrix, 64, codec), nullptr) << "another group size";
  EXPECT_EQ(cache.Find("a", matrix, 128, *FindCodec("int2_error_budget_k8")), nullptr) << "another method";
  MatrixView other = matrix;
  other.dtype = DType::kF16;
  EXPECT_EQ(cache.Find("a", other, 128, codec), nullptr) << "the same bytes read as another type";
  cache.Keep("b", matrix, 128, codec, choices(60));
  EXPECT_EQ(cache.Find("a", matrix, 128, codec), nullptr);
  EXPECT_EQ(held->bytes.size(), 60u) << "who holds it may go on";
  EXPECT_NE(cache.Find("b", matrix, 128, codec), nullptr);
  cache.Keep("c", matrix, 128, codec, choices(0));
  cache.Keep("d", matrix, 128, codec, choices(101));
  EXPECT_EQ(cache.bytes(), 60u);
}

// Rows of a tensor whose digest is known are read while they are searched or encoded.
TEST_F(TensorTasks, AFileThatChangesWhileItIsReadIsRefused) {
  const SearchTask search = Search(kSquare);
  const PackTask pack = Pack(kSquare, "groupwise_int4");
  ASSERT_TRUE(SearchExecutor(resources()).Execute(search, context_).ok());
  models_.on_read = [&] {
    const std::string path = directory_ + "/model/model.safetensors";
    ASSERT_TRUE(WriteFileAtomically(path, ReadFile(path).value() + "more").ok());
  };
  const absl::Status searched = SearchExecutor(resources()).Execute(search, context_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(searched)) << searched;
  SearchTask again = search;
  const std::vector<ModelSource::File> files = source_->List().value();
  for (const ModelSource::File& file : files)
    if (file.name == "model.safetensors") again.file_identity = file.identity;
  models_.on_read = nullptr;
  ASSERT_TRUE(SearchExecutor(resources()).Execute(again, context_).ok());
  models_.on_read = [this] { context_.Cancel(); };
  PackTask cancelled = pack;
  cancelled.file_identity = again.file_identity;
  const absl::Status packed = PackExecutor(resources()).Execute(cancelled, context_).status();
  EXPECT_TRUE(absl::IsCancelled(packed)) << packed;
}

TEST_F(TensorTasks, AnotherVersionOfTheFileIsRefused) {
  SearchTask search = Search(kSquare);
  const PackTask pack = Pack(kSquare, "groupwise_int4");
  const std::string path = directory_ + "/model/model.safetensors";
  ASSERT_TRUE(WriteFileAtomically(path, ReadFile(path).value()).ok());  // the same bytes: another file all the same
  for (const absl::Status& status : {SearchExecutor(resources()).Execute(search, context_).status(),
                                     PackExecutor(resources()).Execute(pack, context_).status()}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("model changed"));
  }
  std::filesystem::remove(path);
  EXPECT_TRUE(absl::IsFailedPrecondition(SearchExecutor(resources()).Execute(search, context_).status()));
}

TEST_F(TensorTasks, ARecordThatDoesNotFitItsFileIsRefused) {
  const auto refused = [&](auto change) {
    SearchTask task = Search(kSquare);
    change(task.tensor);
    return absl::IsInvalidArgument(SearchExecutor(resources()).Execute(task, context_).status());
  };
  EXPECT_TRUE(refused([](TensorRecord& t) { t.offset = ~uint64_t{0}; }));
  EXPECT_TRUE(refused([](TensorRecord& t) { t.offset = ~uint64_t{0} - t.bytes + 1; }));
  EXPECT_TRUE(refused([](TensorRecord& t) { t.bytes = ~uint64_t{0}; }));
  EXPECT_TRUE(refused([](TensorRecord& t) { t.bytes -= 2; }));
  EXPECT_TRUE(refused([](TensorRecord& t) { t.dtype = DType::kF32; }));
  EXPECT_TRUE(refused([](TensorRecord& t) { t.dtype = DType::kI16; }));
  EXPECT_TRUE(refused([](TensorRecord& t) { t.shape = {256 * 256}; }));
  EXPECT_TRUE(refused([](TensorRecord& t) { t.shape = {0, 256}; }));
  EXPECT_TRUE(refused([](TensorRecord& t) { t.shape = {-256, -256}; }));
  EXPECT_TRUE(refused([](TensorRecord& t) { t.shape = {int64_t{1} << 62, 4}; }));
  EXPECT_FALSE(refused([](TensorRecord&) {}));
}

TEST_F(TensorTasks, UnknownFormatsAndGroupsAreRefused) {
  SearchTask search = Search(kSquare);
  search.group_size = 7;
  EXPECT_TRUE(absl::IsInvalidArgument(SearchExecutor(resources()).Execute(search, context_).status()));
  const auto status = PackExecutor(resources()).Execute(Pack(kSquare, "int9"), context_).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("int9"));
}

TEST_F(TensorTasks, ACancelledTaskStopsAndStoresNothing) {
  context_.Cancel();
  EXPECT_TRUE(absl::IsCancelled(SearchExecutor(resources()).Execute(Search(kSquare), context_).status()));
  EXPECT_TRUE(absl::IsCancelled(PackExecutor(resources()).Execute(Pack(kSquare, "groupwise_int4"), context_).status()));
}

}  // namespace
}  // namespace sub1quant::testing
