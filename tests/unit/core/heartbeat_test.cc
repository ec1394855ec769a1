#include "core/heartbeat.h"

#include <filesystem>

#include "core/file.h"
#include "core/parallel.h"
#include "core/random_id.h"
#include "gtest/gtest.h"

namespace sub1quant {
namespace {

TEST(Heartbeat, AThreadOfNobodyBeatsForNobody) {
  EXPECT_EQ(Heartbeat::OfThread(), nullptr);
  const Heartbeat::Step step;
  const Heartbeat::Rest rest;
}

TEST(Heartbeat, AStepBeginsAndEndsWithABeat) {
  Heartbeat heartbeat;
  {
    const Heartbeat::Adopt adopt(&heartbeat);
    const Heartbeat::Step step;
    EXPECT_TRUE(heartbeat.in_step());
    EXPECT_FALSE(heartbeat.resting());
    EXPECT_EQ(heartbeat.beats(), 1u);
    const Heartbeat::Rest rest;
    EXPECT_TRUE(heartbeat.resting());
  }
  EXPECT_FALSE(heartbeat.in_step());
  EXPECT_FALSE(heartbeat.resting());
  EXPECT_EQ(heartbeat.beats(), 4u);
  EXPECT_EQ(Heartbeat::OfThread(), nullptr);
}

TEST(Heartbeat, TheThreadsOfALoopBeatForItsCaller) {
  for (const int threads : {1, 4}) {
    Heartbeat heartbeat;
    const Heartbeat::Adopt adopt(&heartbeat);
    EXPECT_TRUE(ParallelFor(threads, 100, [&](int64_t) {
                  EXPECT_EQ(Heartbeat::OfThread(), &heartbeat);
                  EXPECT_TRUE(heartbeat.in_step());
                  return absl::OkStatus();
                }).ok());
    EXPECT_EQ(heartbeat.beats(), 200u);
    EXPECT_FALSE(heartbeat.in_step());
  }
}

TEST(Heartbeat, FilesBeat) {
  const std::string path = std::filesystem::temp_directory_path() / ("sub1quant-" + NewRandomIdGenerator()->NewId());
  Heartbeat heartbeat;
  const Heartbeat::Adopt adopt(&heartbeat);
  uint64_t before = heartbeat.beats();
  const auto beaten = [&] { return heartbeat.beats() > std::exchange(before, heartbeat.beats()); };
  const auto file = AtomicFile::Create(path).value();
  EXPECT_TRUE(file->Append("bytes").ok());
  EXPECT_TRUE(beaten());
  EXPECT_TRUE(file->Commit().ok());
  EXPECT_TRUE(beaten());
  char byte = 0;
  EXPECT_TRUE(ReadableFile::Open(path).value()->ReadAt(1, &byte, 1).ok());
  EXPECT_TRUE(beaten());
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace sub1quant
