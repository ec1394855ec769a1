#include "worker/full_store.h"

#include <stdlib.h>

#include <filesystem>

#include "core/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/full_blobs.h"
#include "tests/unit/worker/fakes.h"

namespace sub1quant::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FullStoreTest : public ::testing::Test {
 protected:
  FullStoreTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sub1quant-full-XXXXXX").string();
    SUB1QUANT_CHECK(mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    blobs_ = OpenBlobDirectory(directory_).value();
    auto disk = std::make_unique<FullBlobs>(*blobs_);
    disk_ = disk.get();
    guarded_ = NewFullStoreGuard(std::move(disk), metrics_);
  }
  ~FullStoreTest() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
  RecordingMetrics metrics_;
  std::unique_ptr<BlobStore> blobs_, guarded_;
  FullBlobs* disk_;
};

TEST_F(FullStoreTest, WantOfRoomIsUnavailableUntilThereIsRoom) {
  EXPECT_EQ(PutBlob(*guarded_, "a").value(), Sha256Hex("a"));
  disk_->full = true;
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = PutBlob(*guarded_, "b").status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("No space left on device"));
  }
  EXPECT_EQ(guarded_->Get(Sha256Hex("a")).value(), "a");
  disk_->full = false;
  EXPECT_TRUE(PutBlob(*guarded_, "b").ok());
  EXPECT_THAT(metrics_.full, ElementsAre(false, true, true, false));
}

TEST_F(FullStoreTest, OtherErrorsAreWhatTheyAre) {
  EXPECT_TRUE(absl::IsNotFound(guarded_->Get(Sha256Hex("none")).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(guarded_->Size("no digest").status()));
  EXPECT_THAT(metrics_.full, IsEmpty());
}

// The whole way: a worker whose disk is full keeps on trying, and the server hears of no failure.
TEST_F(FullStoreTest, AWorkerTriesUntilThereIsRoomAndChargesNothing) {
  LoopWorld world;
  for (int i = 0; i < 10; ++i) world.server.AddTask();  // the fake hands each out once: each is one try
  disk_->full = true;
  world.executor.body = [&](int call, TaskContext&) -> absl::StatusOr<TaskResult> {
    if (call == 6) disk_->full = false;
    const absl::StatusOr<std::string> blob = PutBlob(*guarded_, "packed");
    if (!blob.ok()) return blob.status();
    return TaskResult(SearchResult());
  };
  world.server.one_at_a_time = true;
  EXPECT_TRUE(world.loop.RunWork().ok());
  EXPECT_THAT(world.server.failed, IsEmpty());
  EXPECT_EQ(world.server.completed.size(), 5u);
  EXPECT_EQ(world.work_pause.waits.size(), 5u) << "a pause after each try";
  EXPECT_GT(world.work_pause.waits[4], world.work_pause.waits[0]) << "that grows";
}

}  // namespace
}  // namespace sub1quant::testing
