#include "quant/model/model_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/quant/model/temporary_directory.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Names(ModelSource& source) {
  auto files = source.List();
  EXPECT_TRUE(files.ok()) << files.status();
  std::vector<std::string> names;
  if (files.ok())
    for (const auto& file : *files) names.push_back(file.name);
  return names;
}

std::string Text(ModelSource& source, const std::string& name) {
  auto text = ReadModelFile(source, name, 1000);
  return text.ok() ? *text : text.status().ToString();
}

TEST(ModelSource, ListsFilesAndLinksSorted) {
  TemporaryDirectory root;
  root.Write("m/b.safetensors", "bb");
  root.Write("m/config.json", "{}");
  root.Write("m/deeper/x.safetensors", "no");
  root.Write("blobs/1", "linked");
  root.Link("m/a.safetensors", "../blobs/1");
  root.Link("m/folder.safetensors", "deeper");
  ASSERT_EQ(mkfifo((root / "m/pipe.safetensors").c_str(), 0600), 0);
  for (const bool follow : {false, true}) {
    auto source = OpenModelDirectory(root.path(), "m", follow);
    ASSERT_TRUE(source.ok()) << source.status();
    EXPECT_THAT(Names(**source), ElementsAre("a.safetensors", "b.safetensors", "config.json"));
    EXPECT_EQ(Text(**source, "a.safetensors"), "linked");
    const std::string path = (*source)->LocalPath("a.safetensors");
    ASSERT_NE(path, "");
    EXPECT_EQ(ReadFile(path).value(), "linked");
  }
}

TEST(ModelSource, LinksOutOfTheRootAreRefusedUnlessFollowed) {
  TemporaryDirectory outside, root;
  outside.Write("secret.safetensors", "secret");
  root.Link("m/model.safetensors", outside / "secret.safetensors");
  root.Link("elsewhere", outside.path());
  root.Write("m/config.json", "{}");

  auto kept = OpenModelDirectory(root.path(), "m", false);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ((*kept)->List().status().code(), absl::StatusCode::kPermissionDenied);
  char byte = 0;
  const absl::Status read = (*kept)->Read("model.safetensors", 0, &byte, 1);
  EXPECT_EQ(read.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(read.ToString(), HasSubstr("leads out of the model root"));
  EXPECT_EQ((*kept)->LocalPath("model.safetensors"), "");
  EXPECT_EQ(OpenModelDirectory(root.path(), "elsewhere", false).status().code(), absl::StatusCode::kPermissionDenied);

  auto followed = OpenModelDirectory(root.path(), "m", true);
  ASSERT_TRUE(followed.ok());
  EXPECT_EQ(Text(**followed, "model.safetensors"), "secret");
}

TEST(ModelSource, RelativeLinkThatClimbsOutIsRefused) {
  TemporaryDirectory outer;
  outer.Write("secret", "s");
  outer.Link("root/m/model.safetensors", "../../secret");
  auto source = OpenModelDirectory(outer / "root", "m", false);
  ASSERT_TRUE(source.ok());
  EXPECT_EQ((*source)->List().status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(ModelSource, MagicLinksAreRefused) {
  TemporaryDirectory root;
  root.Link("m/model.safetensors", "/proc/self/exe");
  auto source = OpenModelDirectory(root.path(), "m", false);
  ASSERT_TRUE(source.ok());
  EXPECT_FALSE((*source)->List().ok());
}

TEST(ModelSource, PathsThatLeaveTheRoot) {
  TemporaryDirectory root;
  root.Write("m/config.json", "{}");
  for (const bool follow : {false, true}) {
    for (const std::string& path : {std::string("/etc"), std::string(".."), std::string("m/../../x"),
                                    std::string("m/../.."), std::string("m\0x", 3), std::string("./../m")})
      EXPECT_EQ(OpenModelDirectory(root.path(), path, follow).status().code(), absl::StatusCode::kInvalidArgument)
          << path;
    for (const std::string path : {"", ".", "m", "m/", "./m", "m/../m", "m//"})
      EXPECT_TRUE(OpenModelDirectory(root.path(), path, follow).ok()) << path;
    EXPECT_EQ(OpenModelDirectory(root.path(), "absent", follow).status().code(), absl::StatusCode::kNotFound);
    EXPECT_FALSE(OpenModelDirectory(root.path(), "m/config.json", follow).ok());
    EXPECT_FALSE(OpenModelDirectory(root.path(), std::string(4096, 'x'), follow).ok());
  }
}

TEST(ModelSource, FileNamesAreNames) {
  TemporaryDirectory root;
  root.Write("secret", "s");
  root.Write("m/config.json", "{}");
  auto source = OpenModelDirectory(root.path(), "m", false);
  ASSERT_TRUE(source.ok());
  char byte = 0;
  for (const std::string& name : {std::string("../secret"), std::string(""), std::string("."), std::string(".."),
                                  std::string("/etc/passwd"), std::string("config.json\0x", 13)}) {
    EXPECT_EQ((*source)->Read(name, 0, &byte, 1).code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ((*source)->LocalPath(name), "") << name;
  }
  EXPECT_EQ((*source)->Read("absent", 0, &byte, 1).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ((*source)->Read("config.json", 1, &byte, 2).code(), absl::StatusCode::kOutOfRange);
}

TEST(ModelSource, ListSeesANewVersionAndReadFollowsIt) {
  TemporaryDirectory root;
  root.Write("config.json", "old");
  auto source = OpenModelDirectory(root.path());
  ASSERT_TRUE(source.ok());
  const std::string before = (*source)->List().value().at(0).identity;
  EXPECT_EQ(Text(**source, "config.json"), "old");
  root.Write("config.json", "newer");
  char bytes[3];
  ASSERT_TRUE((*source)->Read("config.json", 0, bytes, 3).ok());
  EXPECT_EQ(std::string(bytes, 3), "old") << "one version until the next List";
  EXPECT_NE((*source)->List().value().at(0).identity, before);
  EXPECT_EQ(Text(**source, "config.json"), "newer");
}

TEST(ModelSource, SizeLimitOfWholeFiles) {
  TemporaryDirectory root;
  root.Write("config.json", std::string(11, 'x'));
  auto source = OpenModelDirectory(root.path());
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(ReadModelFile(**source, "config.json", 10).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(ReadModelFile(**source, "config.json", 11).ok());
  EXPECT_EQ(ReadModelFile(**source, "tokenizer.json", 10).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace sub1quant
