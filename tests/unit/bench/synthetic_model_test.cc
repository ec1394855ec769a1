#include "bench/synthetic_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "bench/synthetic_weights.h"
#include "core/digest.h"
#include "core/file.h"
#include "quant/eval/torch/scorer.h"
#include "quant/model/quantizable.h"

namespace sub1quant {
namespace {

Gemma4Config Config(int64_t layers) { return ParseGemma4Config(SyntheticConfigJson(layers, 262144)).value(); }

TEST(SyntheticModel, HasTheTensorsOfE2b) {
  TensorInventory inventory;
  int64_t elements = 0;
  for (const SafetensorsEntry& entry : SyntheticTensors(Config(35))) {
    TensorRecord record;
    record.key = entry.key;
    record.dtype = entry.dtype;
    record.shape = entry.shape;
    elements += record.elements();
    inventory.tensors.push_back(record);
  }
  EXPECT_EQ(inventory.tensors.size(), 600u);
  EXPECT_EQ(elements, 4647449891);
  const QuantizableSelection selection = SelectQuantizable(inventory);
  EXPECT_EQ(selection.indices.size(), 316u);
  EXPECT_EQ(selection.parameters, 1895694336);
  EXPECT_TRUE(std::is_sorted(inventory.tensors.begin(), inventory.tensors.end(),
                             [](const TensorRecord& a, const TensorRecord& b) { return a.key < b.key; }));
}

TEST(SyntheticModel, SharesKeysAndValuesLikeE2b) {
  const Gemma4Config config = Config(35);
  EXPECT_EQ(config.num_kv_shared_layers, 20);
  EXPECT_EQ(config.kv_source(33), 13);
  EXPECT_EQ(config.kv_source(34), 14);
  EXPECT_EQ(Config(1).num_kv_shared_layers, 0);
  EXPECT_EQ(Config(2).num_kv_shared_layers, 0);
  EXPECT_GT(Config(8).num_kv_shared_layers, 0);
}

TEST(SyntheticWeights, AreSpreadLikeATrainedMatrix) {
  const SyntheticWeights weights(7);
  const int64_t rows = 256, cols = 1536;
  const SyntheticWeights::Tensor tensor = weights.Matrix("some.weight", cols);
  std::vector<uint16_t> row(cols);
  double squares = 0, largest = 0;
  for (int64_t r = 0; r < rows; ++r) {
    tensor.FillRow(r, row.data());
    for (const uint16_t bits : row) {
      const uint32_t wide = uint32_t{bits} << 16;
      float value;
      std::memcpy(&value, &wide, sizeof(value));
      ASSERT_TRUE(std::isfinite(value));
      squares += static_cast<double>(value) * value;
      largest = std::max(largest, std::abs(static_cast<double>(value)));
    }
  }
  const double deviation = std::sqrt(squares / static_cast<double>(rows * cols));
  EXPECT_NEAR(deviation * std::sqrt(static_cast<double>(cols)), 1.0, 0.3);
  EXPECT_GT(largest / deviation, 8) << "no outliers";
}

class WrittenModel : public testing::Test {
 protected:
  WrittenModel() {
    std::string pattern = testing::TempDir() + "sub1quant-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~WrittenModel() override { std::filesystem::remove_all(directory_); }

  std::string Write(int threads, uint64_t seed) {
    SyntheticModelOptions options;
    options.layers = 1;
    options.vocabulary = 2048;
    options.seed = seed;
    options.threads = threads;
    options.tokenizer_directory = SUB1QUANT_TESTDATA "/gemma4-tiny";
    options.out = directory_;
    EXPECT_TRUE(WriteSyntheticModel(options).ok());
    return Sha256Hex(ReadFile(directory_ + "/model.safetensors").value());
  }

  std::string directory_;
};

TEST_F(WrittenModel, DependsOnTheSeedAndNotOnTheThreads) {
  const std::string one = Write(1, 5);
  EXPECT_EQ(Write(3, 5), one);
  EXPECT_NE(Write(3, 6), one);
}

TEST_F(WrittenModel, CanBeScored) {
  Write(2, 1);
  InitializeTorch();
  const auto source = OpenModelDirectory(directory_).value();
  const auto scorer = Scorer::Load(*source, {}, {.threads = 2}).value();
  const std::vector<int32_t> tokens = {2, 100, 500, 900, 1300, 1700, 1900, 50};
  const WindowScore score = scorer->Score(tokens, {{0, 8, false, 7, 8}}, 0, nullptr).value()[0];
  EXPECT_GT(score.nll.ToDouble() / 7, 1);
  EXPECT_LT(score.nll.ToDouble() / 7, 40);
}

}  // namespace
}  // namespace sub1quant
