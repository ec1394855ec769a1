#include "quant/model/model_identity.h"

#include <cstdint>
#include <set>

#include "core/digest.h"
#include "gtest/gtest.h"

namespace sub1quant {
namespace {

// The document's words, written out: eight bytes of length, little-endian, then the field.
std::string Field(const std::string& text) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>((uint64_t{text.size()} >> shift) & 0xff);
  return bytes + text;
}

TensorInventory TwoFiles() {
  TensorInventory inventory;
  for (const char* name : {"a.safetensors", "b.safetensors"}) {
    ModelFile file;
    file.name = name;
    file.header_sha256 = Sha256Hex(name);
    file.identity = std::string("1:2:") + name;
    inventory.files.push_back(file);
  }
  return inventory;
}

TEST(ModelIdentity, IsTheDigestOfItsFields) {
  const TensorInventory inventory = TwoFiles();
  std::string bytes = Field("config");
  for (const ModelFile& file : inventory.files)
    bytes += Field(file.name) + Field(file.header_sha256) + Field(file.identity);
  EXPECT_EQ(ModelIdentity(inventory, "config"), Sha256Hex(bytes));
  EXPECT_EQ(ModelIdentity({}, ""), Sha256Hex(Field("")));
}

TEST(ModelIdentity, ChangesWithEveryPart) {
  std::set<std::string> seen = {ModelIdentity(TwoFiles(), "config"), ModelIdentity(TwoFiles(), "")};
  for (std::string ModelFile::*part : {&ModelFile::name, &ModelFile::header_sha256, &ModelFile::identity}) {
    TensorInventory changed = TwoFiles();
    changed.files[1].*part += "x";
    seen.insert(ModelIdentity(changed, "config"));
  }
  TensorInventory fewer = TwoFiles();
  fewer.files.pop_back();
  seen.insert(ModelIdentity(fewer, "config"));
  EXPECT_EQ(seen.size(), 6u);
}

}  // namespace
}  // namespace sub1quant
