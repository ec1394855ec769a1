// Sound headers with bytes changed at random: never a crash, and what is accepted is consistent by an independent
// check.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>

#include "quant/model/safetensors.h"

namespace sub1quant {
namespace {

constexpr int kRounds = 60000;

uint64_t Seed() {
  const char* given = std::getenv("SUB1QUANT_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

// Marks every byte of the data section; a byte may be owned once, and all must be.
void ExpectConsistent(const SafetensorsHeader& header, uint64_t file_size) {
  ASSERT_LE(header.data_offset, file_size);
  std::vector<int> owners(file_size - header.data_offset, 0);
  std::set<std::string> keys;
  for (const TensorRecord& tensor : header.tensors) {
    EXPECT_TRUE(keys.insert(tensor.key).second);
    unsigned __int128 bytes = static_cast<unsigned>(DTypeSize(tensor.dtype));
    for (const int64_t dimension : tensor.shape) {
      ASSERT_GE(dimension, 0);
      bytes *= static_cast<uint64_t>(dimension);
    }
    ASSERT_TRUE(bytes == tensor.bytes);
    ASSERT_GE(tensor.offset, header.data_offset);
    ASSERT_LE(tensor.offset, file_size);
    ASSERT_LE(tensor.bytes, file_size - tensor.offset);
    for (uint64_t i = 0; i < tensor.bytes; ++i) ++owners[tensor.offset - header.data_offset + i];
  }
  for (const int owned : owners) ASSERT_EQ(owned, 1);
}

TEST(MutatedHeader, NeverCrashesAndNeverLies) {
  const uint64_t seed = Seed();
  SCOPED_TRACE("replay with SUB1QUANT_SEED=" + std::to_string(seed));
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const std::string sound = MakeSafetensorsHeader(
      {{"a.weight", DType::kBF16, {2, 3}}, {"b", DType::kF32, {0, 7}}, {"c", DType::kU8, {5}}, {"d", DType::kI64, {}}},
      {{"format", "pt"}});
  const uint64_t sound_size = sound.size() + 12 + 5 + 8;
  // Characters that mean something in a header, so that a change often stays JSON.
  const std::string alphabet = "0123456789{}[]\",:-.eE \\u\xC3\xFF_abdtBFIU";
  int accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::string bytes = sound;
    for (uint64_t change = random() % 3 + 1; change > 0; --change) {
      const size_t at = random() % bytes.size();
      switch (random() % 8) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, random() % 4 + 1);
          break;
        case 2:
          bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 24));
          break;
        default:
          bytes[at] = alphabet[random() % alphabet.size()];
      }
      if (bytes.empty()) bytes = sound;
    }
    if (random() % 2 == 0 && bytes.size() >= 8)  // keep the length in step with the text
      for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>((bytes.size() - 8) >> (8 * i));
    const uint64_t size = random() % 4 == 0 ? sound_size + random() % 8 : std::max<uint64_t>(sound_size, bytes.size());
    auto header = ParseSafetensorsHeader(bytes, size, "f");
    if (!header.ok()) continue;
    ++accepted;
    ExpectConsistent(*header, size);
    if (HasFatalFailure()) FAIL() << "round " << round;
  }
  EXPECT_GT(accepted, 50) << "the changes are too wild to test anything";
}

TEST(MutatedHeader, EveryTruncationIsRefused) {
  const std::string sound =
      MakeSafetensorsHeader({{"a.weight", DType::kBF16, {2, 3}}, {"c", DType::kU8, {5}}}, {{"k", "v"}});
  for (size_t size = 0; size < sound.size() + 17; ++size)
    EXPECT_FALSE(ParseSafetensorsHeader(sound.substr(0, size), size, "f").ok()) << size;
  EXPECT_TRUE(ParseSafetensorsHeader(sound, sound.size() + 17, "f").ok());
}

}  // namespace
}  // namespace sub1quant
