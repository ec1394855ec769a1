#include "quant/artifact/verify.h"

#include "core/file.h"
#include "gmock/gmock.h"
#include "golden_checkpoint.h"
#include "gtest/gtest.h"
#include "temporary_directory.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class VerifyTest : public ::testing::Test {
 protected:
  VerifyTest() {
    EXPECT_TRUE(ImportPt(GoldenPath("pt-model.pt"), nullptr, temporary_.File("artifact")).ok());
    manifest_ = OpenArtifact(temporary_.File("artifact")).value().manifest;
  }
  VerifyReport Verify(const std::string& name) { return VerifyPath(temporary_.File(name), 2).value(); }
  std::string BlobPath(size_t i) const { return temporary_.File("artifact/blobs/" + manifest_.tensors[i].blob_sha256); }
  TemporaryDirectory temporary_;
  Manifest manifest_;
};

TEST_F(VerifyTest, AWholeArtifact) {
  const VerifyReport report = Verify("artifact");
  EXPECT_EQ(report.kind, "artifact");
  EXPECT_EQ(report.tensors, 5);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_GT(report.bytes, manifest_.tensors[0].blob_bytes);
}

TEST_F(VerifyTest, FindsChangedMissingAndSwappedBlobsAndLeavesThemThere) {
  std::string bytes = ReadFile(BlobPath(1)).value();
  bytes.back() ^= 1;
  ASSERT_TRUE(WriteFileAtomically(BlobPath(1), bytes).ok());
  ASSERT_EQ(unlink(BlobPath(3).c_str()), 0);
  const VerifyReport report = Verify("artifact");
  EXPECT_THAT(report.problems, ElementsAre(HasSubstr(manifest_.tensors[1].key), HasSubstr(manifest_.tensors[3].key)));
  EXPECT_TRUE(PathExists(BlobPath(1)));

  std::swap(manifest_.tensors[0].blob_sha256, manifest_.tensors[2].blob_sha256);
  std::swap(manifest_.tensors[0].blob_bytes, manifest_.tensors[2].blob_bytes);
  ASSERT_TRUE(WriteFileAtomically(temporary_.File("artifact/manifest.json"), ManifestToJson(manifest_)).ok());
  EXPECT_EQ(Verify("artifact").problems.size(), 4u);
}

TEST_F(VerifyTest, FindsNumbersThatDoNotAddUp) {
  manifest_.totals.average_bpw += 0.01;
  manifest_.tensors[0].bits += 1;
  manifest_.tensors[1].stored_bytes += 1;
  ASSERT_TRUE(WriteFileAtomically(temporary_.File("artifact/manifest.json"), ManifestToJson(manifest_)).ok());
  EXPECT_THAT(Verify("artifact").problems, ElementsAre(HasSubstr("totals"), HasSubstr("bits"), HasSubstr("bytes")));
}

TEST_F(VerifyTest, ACheckpoint) {
  ASSERT_TRUE(LinkOrCopy(GoldenPath("pt-model.pt"), temporary_.File("checkpoint.pt")).ok());
  const VerifyReport report = Verify("checkpoint.pt");
  EXPECT_EQ(report.kind, "pt");
  EXPECT_EQ(report.tensors, 5);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(Verify(".").tensors, 10) << "an output directory: artifact and checkpoint";

  std::string bytes = ReadFile(GoldenPath("pt-model.pt")).value();
  bytes[bytes.find("data/9FB") + 200] ^= 1;
  ASSERT_TRUE(WriteFileAtomically(temporary_.File("checkpoint.pt"), bytes).ok());
  EXPECT_THAT(Verify("checkpoint.pt").problems, ElementsAre(HasSubstr("data/9")));
  ASSERT_TRUE(WriteFileAtomically(temporary_.File("checkpoint.pt"), "no zip").ok());
  EXPECT_EQ(Verify("checkpoint.pt").problems.size(), 1u);
}

TEST_F(VerifyTest, WhatIsNeither) {
  EXPECT_EQ(VerifyPath(temporary_.File("nothing"), 1).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(MakeDirectories(temporary_.File("empty")).ok());
  EXPECT_EQ(VerifyPath(temporary_.File("empty"), 1).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sub1quant
