// Against OpenSSL, an independent implementation.
#include "core/sha256_streams.h"

#include <random>
#include <thread>
#include <vector>

#include "core/digest.h"
#include "core/digest_pool.h"
#include "gtest/gtest.h"

namespace sub1quant {
namespace {

std::vector<uint8_t> RandomBytes(size_t size, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<uint8_t> bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(generator());
  return bytes;
}

// Of the machines whose processor has the extensions; DigestPool is tested on all.
class Sha256Streams : public ::testing::TestWithParam<const char*> {};

std::vector<const char*> OnThisMachine() {
  if (HasSha256Streams()) return {"ShaExtensions"};
  return {};
}
INSTANTIATE_TEST_SUITE_P(OnThisMachine, Sha256Streams, ::testing::ValuesIn(OnThisMachine()),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Sha256Streams, EveryNumberOfStreamsEqualsOpenSsl) {
  for (int count = 1; count <= kSha256Streams; ++count) {
    std::vector<std::vector<uint8_t>> data;
    std::vector<Sha256Stream> values(static_cast<size_t>(count));
    Sha256Stream* streams[kSha256Streams] = {};
    const uint8_t* pointers[kSha256Streams] = {};
    for (size_t i = 0; i < values.size(); ++i) {
      data.push_back(RandomBytes(1000 * 64 + 7 * i, 17 * i + 1));
      streams[i] = &values[i];
    }
    // In two parts, at odd addresses for all but the first.
    for (const size_t part : {size_t{1}, size_t{999}}) {
      for (size_t i = 0; i < values.size(); ++i) pointers[i] = data[i].data() + 64 * values[i].blocks;
      AddSha256Blocks(streams, pointers, count, part);
    }
    for (size_t i = 0; i < values.size(); ++i)
      EXPECT_EQ(FinishSha256(values[i], data[i].data() + 64000, 7 * i), Sha256Hex(data[i].data(), data[i].size()));
  }
}

// The length's place in the last block: 55 and 56 bytes are the border.
TEST_P(Sha256Streams, EveryLengthOfTheTail) {
  const std::vector<uint8_t> data = RandomBytes(63, 5);
  for (size_t size = 0; size < 64; ++size)
    EXPECT_EQ(FinishSha256(Sha256Stream(), data.data(), size), Sha256Hex(data.data(), size)) << size;
}

// Requests of very different sizes join and leave while others are hashed.
TEST(DigestPool, ManyThreadsEachGetTheirOwnDigest) {
  for (const int threads : {1, 2, 8}) {
    ComputeThreads cpu(threads);
    DigestPool pool(cpu);
    std::vector<std::thread> callers;
    for (uint64_t caller = 0; caller < 8; ++caller)
      callers.emplace_back([&pool, caller] {
        for (uint64_t i = 0; i < 20; ++i) {
          const std::vector<uint8_t> data = RandomBytes((caller * 20 + i) * 7919 % 300'000, caller * 100 + i);
          EXPECT_EQ(pool.Sha256(data.data(), data.size()), Sha256Hex(data.data(), data.size()));
        }
      });
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(cpu.Run([](int given) { return given; }), threads) << "all given back";
  }
}

// Cut anywhere, with empty parts. The second part of a digest once waited for ever: the request stayed taken.
TEST(DigestPool, PartsAreOneMessage) {
  ComputeThreads cpu(2);
  DigestPool pool(cpu);
  const std::vector<uint8_t> data = RandomBytes(1000, 7);
  std::mt19937 random(8);
  for (int round = 0; round < 200; ++round) {
    std::vector<ByteSpan> parts;
    size_t done = 0;
    while (done < data.size()) {
      const size_t size = std::min<size_t>(random() % (round % 2 == 0 ? 200 : 70), data.size() - done);
      parts.push_back({data.data() + done, size});
      done += size;
    }
    EXPECT_EQ(pool.Sha256(parts), Sha256Hex(data.data(), data.size())) << "round " << round;
  }
  EXPECT_EQ(pool.Sha256(std::vector<ByteSpan>()), Sha256Hex(""));
}

TEST(DigestPool, EmptyAndShort) {
  ComputeThreads cpu(1);
  DigestPool pool(cpu);
  EXPECT_EQ(pool.Sha256("", 0), Sha256Hex(""));
  EXPECT_EQ(pool.Sha256("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace sub1quant
