#include "client/output_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/outcome.h"
#include "core/digest.h"
#include "core/file.h"
#include "scratch.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::Output Named(const std::string& path) {
  v1::Output output;
  output.set_path(path);
  output.set_sha256(Sha256Hex(path));
  return output;
}

const auto kWritePath = [](const v1::Output& output, const std::string& path) {
  return WriteFileAtomically(path, output.path());
};
const auto kNever = [] { return false; };

TEST(OutputDirectory, PathsOfAServerStayInside) {
  for (const char* path : {"report.json", "artifact/blobs/ab", "target-3.0/report.json", ".hidden", "a..b"})
    EXPECT_TRUE(IsSafeOutputPath(path)) << path;
  for (const char* path : {"", "/etc/passwd", "../x", "a/../../x", "a/..", ".", "a/./b", "a//b", "a/", "a\\b", "a\nb"})
    EXPECT_FALSE(IsSafeOutputPath(path)) << path;
  Scratch scratch;
  auto directory = OutputDirectory::Prepare(scratch / "out", "k", false);
  ASSERT_TRUE(directory.ok());
  EXPECT_EQ(directory->Fill({Named("../escaped")}, kWritePath, kNever).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(PathExists(scratch / "escaped"));
}

TEST(OutputDirectory, ManifestComesLast) {
  Scratch scratch;
  auto directory = OutputDirectory::Prepare(scratch / "a/b/out", "k", false);
  ASSERT_TRUE(directory.ok()) << directory.status();
  std::vector<std::string> order;
  const auto fetch = [&](const v1::Output& output, const std::string& path) {
    order.push_back(output.path());
    return kWritePath(output, path);
  };
  ASSERT_TRUE(
      directory->Fill({Named("artifact/manifest.json"), Named("report.json"), Named("artifact/blobs/x")}, fetch, kNever)
          .ok());
  EXPECT_THAT(order, ElementsAre("report.json", "artifact/blobs/x", "artifact/manifest.json"));
  EXPECT_THAT(*ListDirectory(scratch / "a/b/out"), ElementsAre("artifact", "report.json"));
}

TEST(OutputDirectory, RefusesWhatIsNotEmpty) {
  Scratch scratch;
  scratch.Write("out/precious", "x");
  const auto refused = OutputDirectory::Prepare(scratch / "out", "k", false);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("precious"));
  EXPECT_EQ(ExitCodeOf(refused.status()), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeOf(OutputDirectory::Prepare(scratch / "out/precious", "k", true).status()), ExitCode::kUsage);
}

TEST(OutputDirectory, ForceReplacesResultsAndNothingElse) {
  Scratch scratch;
  scratch.Write("out/precious", "x");
  scratch.Write("out/target-3.0/report.json", "old");
  scratch.Write("out/artifact/manifest.json", "old");
  auto directory = OutputDirectory::Prepare(scratch / "out", "k", true);
  ASSERT_TRUE(directory.ok()) << directory.status();
  ASSERT_TRUE(directory->Fill({Named("report.json")}, kWritePath, kNever).ok());
  EXPECT_THAT(*ListDirectory(scratch / "out"), ElementsAre("precious", "report.json"));
}

TEST(OutputDirectory, AFailureLeavesNothingHalfWritten) {
  Scratch scratch;
  auto directory = OutputDirectory::Prepare(scratch / "out", "k", false);
  ASSERT_TRUE(directory.ok());
  const auto fails = [](const v1::Output& output, const std::string& path) {
    return output.path() == "scan.json" ? absl::DataLossError("gone") : kWritePath(output, path);
  };
  EXPECT_FALSE(directory->Fill({Named("report.json"), Named("scan.json")}, fails, kNever).ok());
  directory->Abandon();
  EXPECT_FALSE(PathExists(scratch / "out"));
}

TEST(OutputDirectory, PartialResultsOfTheSameJobAreWelcome) {
  Scratch scratch;
  scratch.Write("out/.sub1quant-partial", "mine");
  scratch.Write("out/report.json.tmp-0123", "half");
  EXPECT_FALSE(OutputDirectory::Prepare(scratch / "out", "other", false).ok());
  auto directory = OutputDirectory::Prepare(scratch / "out", "mine", false);
  ASSERT_TRUE(directory.ok()) << directory.status();
  ASSERT_TRUE(directory->Fill({Named("report.json")}, kWritePath, kNever).ok());
  EXPECT_THAT(*ListDirectory(scratch / "out"), ElementsAre("report.json"));
}

TEST(OutputDirectory, DefaultNameIsAFileName) {
  EXPECT_EQ(DefaultOutputPath("tiny-4.0bpw"), "sub1quant-out/tiny-4.0bpw");
  EXPECT_EQ(DefaultOutputPath("../x/y"), "sub1quant-out/_.._x_y");
}

}  // namespace
}  // namespace sub1quant
