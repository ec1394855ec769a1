#include "worker/bounded_cache.h"

#include <stdlib.h>

#include <filesystem>
#include <thread>

#include "core/check.h"
#include "core/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/manual_clock.h"

namespace sub1quant::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kLimit = 1000;

class BoundedCacheTest : public ::testing::Test {
 protected:
  BoundedCacheTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sub1quant-cache-XXXXXX").string();
    SUB1QUANT_CHECK(mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    Reopen();
  }
  ~BoundedCacheTest() override { std::filesystem::remove_all(directory_); }

  void Reopen(uint64_t limit = kLimit) { cache_ = OpenBoundedCache(clock_, directory_, limit).value(); }
  static std::string Bytes(char name, size_t size = 300) { return std::string(size, name); }
  // Each a second after the last.
  void Put(char name, size_t size = 300) {
    clock_.Advance(std::chrono::seconds(1));
    EXPECT_EQ(PutBlob(*cache_, Bytes(name, size)).value(), Sha256Hex(Bytes(name, size)));
  }
  void Read(char name) {
    clock_.Advance(std::chrono::seconds(1));
    EXPECT_EQ(cache_->Get(Sha256Hex(Bytes(name))).value(), Bytes(name));
  }
  std::vector<char> Held() {
    std::vector<char> held;
    for (char name = 'a'; name <= 'z'; ++name)
      if (cache_->Size(Sha256Hex(Bytes(name))).ok()) held.push_back(name);
    return held;
  }

  std::string directory_;
  ManualClock clock_;
  std::unique_ptr<BlobStore> cache_;
};

TEST_F(BoundedCacheTest, WhatWasUsedLongestAgoGoesFirst) {
  for (const char name : {'a', 'b', 'c'}) Put(name);
  Read('a');
  Put('d');
  EXPECT_THAT(Held(), ElementsAre('a', 'c', 'd'));
  char first;
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_TRUE(cache_->ReadRange(Sha256Hex(Bytes('c')), 0, &first, 1).ok());
  Put('e');
  EXPECT_THAT(Held(), ElementsAre('c', 'd', 'e'));
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_NE(cache_->LocalPath(Sha256Hex(Bytes('c'))), "");
  Put('f');
  EXPECT_THAT(Held(), ElementsAre('c', 'e', 'f'));
}

TEST_F(BoundedCacheTest, TheLimitItselfIsWithin) {
  Put('a', 500);
  Put('b', 500);
  EXPECT_TRUE(cache_->Size(Sha256Hex(Bytes('a', 500))).ok());
  Put('c', 1);
  EXPECT_FALSE(cache_->Size(Sha256Hex(Bytes('a', 500))).ok());
  EXPECT_TRUE(cache_->Size(Sha256Hex(Bytes('b', 500))).ok());
}

TEST_F(BoundedCacheTest, ABlobAboveTheLimitIsNotKept) {
  Put('a');
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_TRUE(PutBlob(*cache_, Bytes('b', 1001)).ok());
  EXPECT_FALSE(cache_->Size(Sha256Hex(Bytes('b', 1001))).ok());
}

TEST_F(BoundedCacheTest, TheOrderSurvivesARestartAndASmallerLimitHoldsFromTheStart) {
  for (const char name : {'a', 'b', 'c'}) Put(name);
  Read('a');
  Reopen();
  EXPECT_THAT(Held(), ElementsAre('a', 'b', 'c'));
  Reopen(400);
  EXPECT_THAT(Held(), ElementsAre('a'));
}

// What is no blob is not the cache's to count or to remove.
TEST_F(BoundedCacheTest, OtherFilesStay) {
  Put('a');
  const std::string path = cache_->LocalPath(Sha256Hex(Bytes('a')));
  const std::string other = path.substr(0, path.rfind('/')) + "/notes.txt";
  std::filesystem::copy_file(path, other);
  for (const char name : {'b', 'c', 'd', 'e'}) Put(name);
  EXPECT_TRUE(std::filesystem::exists(other));
  EXPECT_THAT(Held(), ElementsAre('c', 'd', 'e'));
}

// Two workers on one directory: neither is hurt when the other removes what it knew.
TEST_F(BoundedCacheTest, TwoProcessesShareADirectory) {
  const auto second = OpenBoundedCache(clock_, directory_, kLimit).value();
  for (const char name : {'a', 'b', 'c', 'd'}) Put(name);
  EXPECT_TRUE(absl::IsNotFound(second->Get(Sha256Hex(Bytes('a'))).status()));
  clock_.Advance(std::chrono::seconds(1));
  for (const char name : {'e', 'f', 'g', 'h'}) EXPECT_TRUE(PutBlob(*second, Bytes(name)).ok());
  uint64_t total = 0;
  for (const char name : Held()) total += Bytes(name).size();
  EXPECT_LE(total, kLimit);
  Read('h');
}

TEST_F(BoundedCacheTest, ManyThreadsKeepTheLimit) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string bytes = Bytes(static_cast<char>('a' + (t * 5 + i) % 26));
        EXPECT_TRUE(PutBlob(*cache_, bytes).ok());
        const absl::StatusOr<std::string> read = cache_->Get(Sha256Hex(bytes));
        EXPECT_TRUE(absl::IsNotFound(read.status()) || *read == bytes) << read.status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(Held().size() * 300, kLimit);
}

}  // namespace
}  // namespace sub1quant::testing
