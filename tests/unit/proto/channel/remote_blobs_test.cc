#include "proto/channel/remote_blobs.h"

#include <filesystem>

#include "core/digest.h"
#include "core/file.h"
#include "gtest/gtest.h"
#include "proto/channel/channel.h"
#include "tests/unit/proto/channel/blob_server.h"

namespace sub1quant {
namespace {

// Three chunks and a bit, no two alike.
std::string LargeBytes(size_t size = (size_t{3} << 20) + 12'345) {
  std::string bytes(size, '\0');
  uint32_t state = 1;
  for (char& c : bytes) c = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
  return bytes;
}

class RemoteBlobs : public ::testing::Test {
 protected:
  std::unique_ptr<BlobStore> Open(bool with_cache = false) {
    RemoteBlobOptions options;
    options.spool_directory = Directory("spool");
    if (with_cache) options.cache = OpenBlobDirectory(Directory("cache")).value();
    return NewRemoteBlobStore(channel_, std::move(options));
  }
  std::string Directory(const std::string& name) {
    const std::string path = server_.directory() + "/" + name;
    EXPECT_TRUE(MakeDirectories(path).ok());
    return path;
  }
  bool SpoolIsEmpty() { return ListDirectory(Directory("spool"))->empty(); }

  testing::BlobServer server_;
  std::shared_ptr<grpc::Channel> channel_ = DialServer(server_.address());
};

TEST_F(RemoteBlobs, RoundTrip) {
  const std::unique_ptr<BlobStore> store = Open();
  for (const std::string& bytes : {std::string(), std::string("x"), LargeBytes(), LargeBytes(size_t{1} << 20)}) {
    const std::string sha256 = PutBlob(*store, bytes).value();
    EXPECT_EQ(sha256, Sha256Hex(bytes));
    EXPECT_EQ(store->Size(sha256).value(), bytes.size());
    EXPECT_EQ(store->Get(sha256).value(), bytes);
  }
  EXPECT_LE(server_.largest_chunk, size_t{1} << 20);
  EXPECT_FALSE(server_.metadata_missing);
  EXPECT_FALSE(server_.deadline_missing);
  EXPECT_TRUE(SpoolIsEmpty());
}

TEST_F(RemoteBlobs, ReadRange) {
  const std::string bytes = LargeBytes();
  server_.Put(bytes);
  const std::unique_ptr<BlobStore> store = Open();
  std::string part(1'500'000, '\0');
  ASSERT_TRUE(store->ReadRange(Sha256Hex(bytes), 777, part.data(), part.size()).ok());
  EXPECT_EQ(part, bytes.substr(777, part.size()));
  EXPECT_FALSE(store->ReadRange(Sha256Hex(bytes), bytes.size() - 1, part.data(), 2).ok());
}

TEST_F(RemoteBlobs, WhatTheServerHasIsNotSent) {
  const std::string bytes = LargeBytes();
  server_.Put(bytes);
  EXPECT_EQ(PutBlob(*Open(), bytes).value(), Sha256Hex(bytes));
  EXPECT_EQ(server_.puts, 0);
}

TEST_F(RemoteBlobs, WithoutCommitNothingRemains) {
  const std::unique_ptr<BlobStore> store = Open();
  auto writer = store->NewWriter("").value();
  ASSERT_TRUE(writer->Append("abc", 3).ok());
  writer.reset();
  EXPECT_EQ(server_.puts, 0);
  EXPECT_TRUE(SpoolIsEmpty());
}

TEST_F(RemoteBlobs, BrokenDownloadsGoOnWhereTheyBroke) {
  const std::string bytes = LargeBytes();
  server_.Put(bytes);
  server_.break_streams = 3;
  EXPECT_EQ(Open()->Get(Sha256Hex(bytes)).value(), bytes);
  EXPECT_EQ(server_.reads, 4);
}

TEST_F(RemoteBlobs, BrokenUploadsStartAgain) {
  const std::string bytes = LargeBytes();
  server_.break_streams = 1;
  EXPECT_EQ(PutBlob(*Open(), bytes).value(), Sha256Hex(bytes));
  EXPECT_TRUE(server_.Has(Sha256Hex(bytes)));
}

TEST_F(RemoteBlobs, AFlippedBitIsDataLossAndNeitherReturnedNorKept) {
  const std::string bytes = LargeBytes();
  server_.Put(bytes);
  server_.flip_a_bit = true;
  const std::unique_ptr<BlobStore> store = Open(/*with_cache=*/true);
  EXPECT_TRUE(absl::IsDataLoss(store->Get(Sha256Hex(bytes)).status()));
  EXPECT_EQ(store->LocalPath(Sha256Hex(bytes)), "");
  const std::string path = server_.directory() + "/download";
  EXPECT_TRUE(absl::IsDataLoss(DownloadBlob(channel_, Sha256Hex(bytes), path)));
  EXPECT_FALSE(PathExists(path));
  server_.flip_a_bit = false;
  EXPECT_EQ(store->Get(Sha256Hex(bytes)).value(), bytes);
}

TEST_F(RemoteBlobs, AServerThatSendsTooMuchOrTooLittleIsNotBelieved) {
  const std::string bytes = LargeBytes();
  server_.Put(bytes);
  std::string part(1'000, '\0');
  for (const int extra : {1, 1'000'000, -1, -1'000}) {
    server_.extra_bytes = extra;
    EXPECT_TRUE(absl::IsDataLoss(Open()->ReadRange(Sha256Hex(bytes), 0, part.data(), part.size()))) << extra;
    EXPECT_TRUE(absl::IsDataLoss(Open()->Get(Sha256Hex(bytes)).status())) << extra;
  }
}

TEST_F(RemoteBlobs, TheCacheAnswersWithoutTheServerAndHealsItself) {
  const std::string bytes = LargeBytes();
  const std::string sha256 = Sha256Hex(bytes);
  server_.Put(bytes);
  const std::unique_ptr<BlobStore> store = Open(/*with_cache=*/true);
  ASSERT_EQ(store->Get(sha256).value(), bytes);
  const int reads = server_.reads, stats = server_.stats;
  EXPECT_EQ(store->Get(sha256).value(), bytes);
  EXPECT_EQ(store->Size(sha256).value(), bytes.size());
  EXPECT_EQ(server_.reads, reads);
  EXPECT_EQ(server_.stats, stats);
  ASSERT_TRUE(WriteFileAtomically(store->LocalPath(sha256), std::string(bytes.size(), 'x')).ok());
  EXPECT_EQ(store->Get(sha256).value(), bytes) << "a damaged copy is fetched again";
}

TEST_F(RemoteBlobs, AbsentAndMisnamedBlobs) {
  const std::unique_ptr<BlobStore> store = Open();
  EXPECT_TRUE(absl::IsNotFound(store->Get(std::string(64, 'a')).status()));
  EXPECT_TRUE(absl::IsNotFound(store->Size(std::string(64, 'a')).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store->Get("../../etc/passwd").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(DownloadBlob(channel_, "", server_.directory() + "/x")));
  EXPECT_TRUE(absl::IsUnimplemented(store->Delete(std::string(64, 'a'))));
}

TEST_F(RemoteBlobs, FilesUpAndDown) {
  const std::string bytes = LargeBytes();
  const std::string from = server_.directory() + "/from", to = server_.directory() + "/to";
  ASSERT_TRUE(WriteFileAtomically(from, bytes).ok());
  uint64_t sent = 0, received = 0;
  const auto blob = UploadFile(channel_, from, [&](uint64_t done) { sent = done; });
  ASSERT_TRUE(blob.ok()) << blob.status();
  EXPECT_EQ(blob->sha256, Sha256Hex(bytes));
  EXPECT_EQ(blob->size, bytes.size());
  EXPECT_EQ(sent, bytes.size());
  ASSERT_TRUE(DownloadBlob(channel_, blob->sha256, to, [&](uint64_t done) { received = done; }).ok());
  EXPECT_EQ(received, bytes.size());
  EXPECT_EQ(ReadFile(to).value(), bytes);
  EXPECT_TRUE(absl::IsNotFound(UploadFile(channel_, server_.directory() + "/absent").status()));
}

}  // namespace
}  // namespace sub1quant
