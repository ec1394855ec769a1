#include "quant/model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/digest.h"
#include "tests/unit/quant/model/temporary_directory.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string File(const std::vector<SafetensorsEntry>& entries, size_t data_bytes) {
  return MakeSafetensorsHeader(entries, {}) + std::string(data_bytes, 'x');
}

std::vector<std::string> Keys(const TensorInventory& inventory) {
  std::vector<std::string> keys;
  for (const TensorRecord& tensor : inventory.tensors) keys.push_back(tensor.file + ":" + tensor.key);
  return keys;
}

absl::StatusOr<TensorInventory> InventoryOf(const TemporaryDirectory& directory) {
  auto source = OpenModelDirectory(directory.path());
  if (!source.ok()) return source.status();
  return ReadInventory(**source);
}

TEST(DTypes, NamesAndSizes) {
  const std::pair<const char*, int> expected[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
                                                  {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
                                                  {"U32", 4},  {"F32", 4}, {"F64", 8}, {"I64", 8},     {"U64", 8}};
  int value = 1;
  for (const auto& [name, size] : expected) {
    const auto dtype = ParseDType(name);
    ASSERT_TRUE(dtype.has_value()) << name;
    EXPECT_EQ(static_cast<int>(*dtype), value++) << "the numbers are on the wire";
    EXPECT_EQ(DTypeName(*dtype), name);
    EXPECT_EQ(DTypeSize(*dtype), size);
  }
  EXPECT_FALSE(ParseDType("bf16").has_value());
  EXPECT_FALSE(ParseDType("").has_value());
}

TEST(Safetensors, HeaderThatWeWriteReadsBack) {
  const std::vector<SafetensorsEntry> entries = {{"z", DType::kBF16, {2, 3}},
                                                 {"empty", DType::kF32, {0, 7}},
                                                 {"scalar", DType::kI64, {}},
                                                 {"nam\xC3\xA9 \"quoted\"", DType::kU8, {5}}};
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"x", ""}};
  const std::string bytes = MakeSafetensorsHeader(entries, metadata);
  EXPECT_EQ(bytes.size() % 8, 0u);
  auto header = ParseSafetensorsHeader(bytes + "anything", bytes.size() + 12 + 8 + 5, "f");
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->metadata, metadata);
  EXPECT_EQ(header->data_offset, bytes.size());
  EXPECT_EQ(header->sha256, Sha256Hex(bytes));
  ASSERT_EQ(header->tensors.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(header->tensors[i].key, entries[i].key);
    EXPECT_EQ(header->tensors[i].dtype, entries[i].dtype);
    EXPECT_EQ(header->tensors[i].shape, entries[i].shape);
    EXPECT_EQ(header->tensors[i].file, "f");
  }
  EXPECT_EQ(header->tensors[2].offset, bytes.size() + 12);
  EXPECT_EQ(header->tensors[3].bytes, 5u);
}

TEST(Safetensors, HeaderOrderIsKeptWhenTheDataLieInAnother) {
  const std::string json = R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]},)"
                           R"("a":{"data_offsets":[0,3],"shape":[3],"dtype":"U8"}}  )";
  const std::string bytes = std::string{static_cast<char>(json.size()), 0, 0, 0, 0, 0, 0, 0} + json;
  auto header = ParseSafetensorsHeader(bytes, bytes.size() + 5, "f");
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->tensors[0].key, "b");
  EXPECT_EQ(header->tensors[0].offset, bytes.size() + 3);
  EXPECT_EQ(header->tensors[1].key, "a");
}

TEST(Safetensors, EscapesInKeysAreDecoded) {
  const std::string json = R"({"\u00e9\ud83c\udf89":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})";
  const std::string bytes = std::string{static_cast<char>(json.size()), 0, 0, 0, 0, 0, 0, 0} + json;
  auto header = ParseSafetensorsHeader(bytes, bytes.size(), "f");
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->tensors[0].key, "\xC3\xA9\xF0\x9F\x8E\x89");
}

TEST(Inventory, ShardsWithoutAnIndexComeInNameOrder) {
  TemporaryDirectory directory;
  directory.Write("model-00002.safetensors", File({{"a", DType::kU8, {1}}}, 1));
  directory.Write("model-00001.safetensors", File({{"z", DType::kU8, {1}}, {"y", DType::kU8, {1}}}, 2));
  directory.Write("notes.txt", "no tensors");
  auto inventory = InventoryOf(directory);
  ASSERT_TRUE(inventory.ok()) << inventory.status();
  EXPECT_THAT(Keys(*inventory),
              ElementsAre("model-00001.safetensors:z", "model-00001.safetensors:y", "model-00002.safetensors:a"));
  ASSERT_NE(inventory->Find("y"), nullptr);
  EXPECT_EQ(inventory->Find("y")->shape, (std::vector<int64_t>{1}));
  EXPECT_EQ(inventory->Find("x"), nullptr);
}

TEST(Inventory, IndexMustAgreeWithTheFiles) {
  TemporaryDirectory directory;
  directory.Write("a.safetensors", File({{"a", DType::kU8, {1}}}, 1));
  directory.Write("b.safetensors", File({{"b", DType::kU8, {1}}}, 1));
  const auto with_index = [&](const std::string& map) {
    directory.Write("model.safetensors.index.json", R"({"metadata":{"total_size":2},"weight_map":)" + map + "}");
    return InventoryOf(directory).status();
  };
  EXPECT_TRUE(with_index(R"({"a":"a.safetensors","b":"b.safetensors"})").ok());
  EXPECT_THAT(with_index(R"({"a":"a.safetensors"})").ToString(), HasSubstr("b.safetensors"));
  EXPECT_THAT(with_index(R"({"a":"a.safetensors","b":"a.safetensors"})").ToString(), HasSubstr("tensor 'b' is not in"));
  EXPECT_THAT(with_index(R"({"a":"a.safetensors","b":"b.safetensors","c":"c.safetensors"})").ToString(),
              HasSubstr("'c.safetensors' of tensor 'c' is not there"));
  EXPECT_THAT(with_index(R"({"a":"a.safetensors","a":"a.safetensors"})").ToString(), HasSubstr("duplicate key 'a'"));
  EXPECT_THAT(with_index(R"({"a":"../a.safetensors"})").ToString(), HasSubstr("is not there"));
  for (const char* broken : {"[\"a\"]", "7", "{\"a\":1}", "{\"a\":{}}", "{\"a\":[]}", "null", "{\"a\":null}"})
    EXPECT_EQ(with_index(broken).code(), absl::StatusCode::kInvalidArgument) << broken;
  directory.Write("model.safetensors.index.json", "{}");
  EXPECT_THAT(InventoryOf(directory).status().ToString(), HasSubstr("weight_map is missing"));
}

TEST(Inventory, AKeyInTwoFilesIsRefused) {
  TemporaryDirectory directory;
  directory.Write("a.safetensors", File({{"same", DType::kU8, {1}}}, 1));
  directory.Write("b.safetensors", File({{"same", DType::kU8, {1}}}, 1));
  EXPECT_THAT(InventoryOf(directory).status().ToString(),
              HasSubstr("'same' is in both a.safetensors and b.safetensors"));
}

TEST(Inventory, NoTensorsAtAll) {
  TemporaryDirectory directory;
  EXPECT_EQ(InventoryOf(directory).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace sub1quant
