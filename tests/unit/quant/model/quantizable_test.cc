#include "quant/model/quantizable.h"

#include <gtest/gtest.h>

#include "quant/model/safetensors.h"
#include "tests/unit/quant/model/e2b_tensors.h"

namespace sub1quant {
namespace {

TensorInventory InventoryOf(const std::vector<SafetensorsEntry>& entries) {
  const std::string header = MakeSafetensorsHeader(entries, {});
  uint64_t size = header.size();
  for (const SafetensorsEntry& entry : entries) {
    uint64_t bytes = static_cast<uint64_t>(DTypeSize(entry.dtype));
    for (const int64_t dimension : entry.shape) bytes *= static_cast<uint64_t>(dimension);
    size += bytes;
  }
  auto parsed = ParseSafetensorsHeader(header, size, "model.safetensors");
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  TensorInventory inventory;
  inventory.tensors = parsed->tensors;
  return inventory;
}

TEST(Quantizable, E2bHas316MatricesInHeaderOrder) {
  const TensorInventory inventory = InventoryOf(E2bTensors("model.language_model."));
  ASSERT_EQ(inventory.tensors.size(), 600u);
  int64_t elements = 0;
  for (const TensorRecord& tensor : inventory.tensors) elements += tensor.elements();
  EXPECT_EQ(elements, 4647449891);
  EXPECT_EQ(inventory.total_bytes(), 2 * 4647449891u);

  const QuantizableSelection selection = SelectQuantizable(inventory);
  EXPECT_FALSE(selection.text_only);
  ASSERT_EQ(selection.indices.size(), 316u);
  EXPECT_EQ(selection.parameters, 1895694336);
  // Shapes that the published tool prints for its entries, and the last key.
  const auto shape = [&](size_t entry) { return inventory.tensors[selection.indices[entry]].shape; };
  EXPECT_EQ(shape(3), (std::vector<int64_t>{256, 1536}));
  EXPECT_EQ(shape(4), (std::vector<int64_t>{1536, 256}));
  EXPECT_EQ(shape(8), (std::vector<int64_t>{256, 1536}));
  EXPECT_EQ(inventory.tensors[selection.indices[315]].key, "model.language_model.per_layer_model_projection.weight");
}

TEST(Quantizable, TextOnlyExportSelectsTheSameMatrices) {
  const TensorInventory inventory = InventoryOf(E2bTensors("model."));
  const QuantizableSelection selection = SelectQuantizable(inventory);
  EXPECT_TRUE(selection.text_only);
  EXPECT_EQ(selection.indices.size(), 316u);
  EXPECT_EQ(selection.parameters, 1895694336);
}

TEST(Quantizable, SaysWhyATensorIsLeftOut) {
  const auto reason = [](const std::string& key, std::vector<int64_t> shape, bool text_only) {
    std::vector<SafetensorsEntry> entries = {{key, DType::kBF16, std::move(shape)}};
    if (!text_only) entries.push_back({"model.language_model.x", DType::kBF16, {1}});
    return SelectQuantizable(InventoryOf(entries)).reasons.at(0);
  };
  EXPECT_EQ(reason("model.language_model.a.weight", {2, 3}, false), "");
  EXPECT_EQ(reason("model.language_model.a.weight", {6}, false), "not 2-D");
  EXPECT_EQ(reason("model.language_model.a.weight", {1, 2, 3}, false), "not 2-D");
  EXPECT_EQ(reason("model.language_model.layer_scalar", {2, 3}, false), "not a weight");
  EXPECT_EQ(reason("model.language_model.q_norm.weight", {2, 3}, false), "norm");
  EXPECT_EQ(reason("model.language_model.embed_tokens_per_layer.weight", {2, 3}, false), "embed_tokens");
  EXPECT_EQ(reason("model.language_model.lm_head.weight", {2, 3}, false), "lm_head");
  EXPECT_EQ(reason("model.vision_tower.a.weight", {2, 3}, false), "vision_tower");
  EXPECT_EQ(reason("model.audio_tower.a.weight", {2, 3}, false), "audio_tower");
  EXPECT_EQ(reason("model.embed_vision.a.weight", {2, 3}, false), "embed_vision");
  EXPECT_EQ(reason("model.embed_audio.a.weight", {2, 3}, false), "not in language_model");
  EXPECT_EQ(reason("model.embed_audio.a.weight", {2, 3}, true), "embed_audio");
  EXPECT_EQ(reason("model.a.weight", {2, 3}, true), "");
}

TEST(Quantizable, TinyModelOfTheFixture) {
  auto source = OpenModelDirectory(SUB1QUANT_TESTDATA "/gemma4-tiny");
  ASSERT_TRUE(source.ok()) << source.status();
  auto inventory = ReadInventory(**source);
  ASSERT_TRUE(inventory.ok()) << inventory.status();
  EXPECT_EQ(inventory->tensors.size(), 132u);
  ASSERT_EQ(inventory->files.size(), 1u);
  EXPECT_EQ(inventory->files[0].size, 7977238u);
  const QuantizableSelection selection = SelectQuantizable(*inventory);
  EXPECT_EQ(selection.indices.size(), 64u);
  EXPECT_EQ(selection.parameters, 3022848);
}

}  // namespace
}  // namespace sub1quant
