#include "quant/artifact/blob_store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "core/digest.h"
#include "core/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "temporary_directory.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Names(const std::string& directory) { return ListDirectory(directory).value(); }

class BlobStoreTest : public ::testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<BlobStore> Open() { return OpenBlobDirectory(Root(), GetParam()).value(); }
  std::string Root() const { return temporary_.File("blobs"); }
  std::string PathOf(const std::string& digest) const {
    return GetParam() ? Root() + "/" + digest : Root() + "/" + digest.substr(0, 2) + "/" + digest;
  }
  TemporaryDirectory temporary_;
};

TEST_P(BlobStoreTest, WhatWasPutIsThereUnderItsDigest) {
  auto store = Open();
  const std::string bytes = std::string("some\0bytes", 10);
  const std::string digest = PutBlob(*store, bytes).value();
  EXPECT_EQ(digest, Sha256Hex(bytes));
  EXPECT_EQ(store->Get(digest).value(), bytes);
  EXPECT_EQ(store->Size(digest).value(), 10u);
  EXPECT_EQ(store->LocalPath(digest), PathOf(digest));
  char part[4];
  ASSERT_TRUE(store->ReadRange(digest, 5, part, 4).ok());
  EXPECT_EQ(std::string(part, 4), "byte");
  EXPECT_EQ(store->ReadRange(digest, 8, part, 4).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(store->ReadRange(digest, UINT64_MAX, part, 4).code(), absl::StatusCode::kOutOfRange);
}

TEST_P(BlobStoreTest, AKnownDigestIsNotComputedAgain) {
  auto store = Open();
  const std::string digest = Sha256Hex("bytes");
  auto writer = store->NewWriter(digest).value();
  ASSERT_TRUE(writer->Append("by", 2).ok());
  ASSERT_TRUE(writer->Append("tes", 3).ok());
  const auto blob = writer->Commit();
  ASSERT_TRUE(blob.ok()) << blob.status();
  EXPECT_EQ(blob->sha256, digest);
  EXPECT_EQ(blob->size, 5u);
  EXPECT_EQ(store->Get(digest).value(), "bytes");
  EXPECT_EQ(store->NewWriter("../" + digest.substr(3)).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(BlobStoreTest, TheSameBytesTwiceAreOneBlob) {
  auto store = Open();
  const std::string digest = PutBlob(*store, "x").value();
  EXPECT_EQ(PutBlob(*store, "x").value(), digest);
  EXPECT_EQ(store->Get(digest).value(), "x");
  EXPECT_TRUE(store->Delete(digest).ok());
  EXPECT_EQ(store->Get(digest).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store->Delete(digest).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store->LocalPath(digest), "");
}

TEST_P(BlobStoreTest, TheEmptyBlob) {
  auto store = Open();
  const std::string digest = PutBlob(*store, "").value();
  EXPECT_EQ(store->Get(digest).value(), "");
}

TEST_P(BlobStoreTest, WithoutCommitNothingRemains) {
  auto store = Open();
  store->NewWriter("").value()->Append("abc", 3).IgnoreError();
  EXPECT_THAT(Names(Root() + "/tmp"), IsEmpty());
}

TEST_P(BlobStoreTest, DigestsAreCheckedBeforeTheyBecomeFileNames) {
  auto store = Open();
  WriteFileAtomically(temporary_.File("secret"), "s").IgnoreError();
  for (const std::string& bad : {std::string("../secret"), std::string(64, 'A'), std::string(),
                                 std::string("a/../../secret"), std::string(63, 'a'), std::string(63, 'a') + "/"}) {
    EXPECT_EQ(store->Get(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(store->Size(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(store->Delete(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(store->LocalPath(bad), "");
  }
}

TEST_P(BlobStoreTest, ADamagedBlobIsFoundAndMovedAside) {
  auto store = Open();
  const std::string digest = PutBlob(*store, "precious").value();
  ASSERT_TRUE(WriteFileAtomically(PathOf(digest), "precioux").ok());
  const absl::Status status = store->Get(digest).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr(digest));
  EXPECT_EQ(ReadFile(Root() + "/damaged/" + digest).value(), "precioux");
  EXPECT_EQ(store->Get(digest).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(PutBlob(*store, "precious").value(), digest);
  EXPECT_EQ(store->Get(digest).value(), "precious");
}

// Workers and server open one directory at the same time: opening must not sweep a living writer's file.
TEST_P(BlobStoreTest, OpeningLeavesLivingWritersAlone) {
  auto store = Open();
  auto writer = store->NewWriter("").value();
  ASSERT_TRUE(writer->Append("half ", 5).ok());
  auto other = Open();
  EXPECT_EQ(Names(Root() + "/tmp").size(), 1u);
  ASSERT_TRUE(writer->Append("whole", 5).ok());
  EXPECT_EQ(other->Get(writer->Commit().value().sha256).value(), "half whole");
}

// A writer that died (killed, so no destructor ran) leaves a file that the next opening removes.
TEST_P(BlobStoreTest, OpeningSweepsWhatACrashLeft) {
  Open();
  const pid_t child = fork();
  if (child == 0) {
    auto store = Open();
    auto writer = store->NewWriter("");
    if (!writer.ok() || !(*writer)->Append("lost", 4).ok()) _exit(1);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_EQ(Names(Root() + "/tmp").size(), 1u);
  auto store = Open();
  EXPECT_THAT(Names(Root() + "/tmp"), IsEmpty());
}

// Openings race with writers; every commit must succeed all the same.
TEST_P(BlobStoreTest, OpeningsAndWritersAtTheSameTime) {
  auto store = Open();
  std::thread opener([&] {
    for (int i = 0; i < 100; ++i) Open();
  });
  int failures = 0;
  for (int i = 0; i < 50; ++i)
    if (!PutBlob(*store, std::to_string(i)).ok()) ++failures;
  opener.join();
  EXPECT_EQ(failures, 0);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(store->Get(Sha256Hex(std::to_string(i))).ok());
}

INSTANTIATE_TEST_SUITE_P(Layouts, BlobStoreTest, ::testing::Values(false, true),
                         [](const auto& info) { return info.param ? "Flat" : "TwoLevels"; });

TEST(FlatBlobs, HoldNothingElseWhenDone) {
  TemporaryDirectory temporary;
  const std::string digest = PutBlob(*OpenBlobDirectory(temporary.File("b"), true).value(), "x").value();
  EXPECT_THAT(Names(temporary.File("b")), ::testing::ElementsAre(digest));
}

}  // namespace
}  // namespace sub1quant
