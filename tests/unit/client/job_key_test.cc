#include "client/job_key.h"

#include <gtest/gtest.h>

#include <set>

namespace sub1quant {
namespace {

const std::vector<ModelSource::File> kFiles = {{"config.json", 10, "1:2:10:3:4"},
                                               {"model.safetensors", 99, "1:3:99:3:4"}};

TEST(JobKey, IsAFunctionOfItsInputs) { EXPECT_EQ(JobKey({}, kFiles, "auto"), JobKey({}, kFiles, "auto")); }

TEST(JobKey, EveryInputChangesIt) {
  std::set<std::string> keys = {JobKey({}, kFiles, "auto")};
  JobSpecification other;
  other.target_bpw = {3.5};
  EXPECT_TRUE(keys.insert(JobKey(other, kFiles, "auto")).second);
  other = {};
  other.corpus_sha256 = std::string(64, 'a');
  EXPECT_TRUE(keys.insert(JobKey(other, kFiles, "auto")).second);
  auto files = kFiles;
  files[1].identity = "1:3:99:5:6";  // the same size, written again
  EXPECT_TRUE(keys.insert(JobKey({}, files, "auto")).second);
  files = kFiles;
  files.push_back({"model-2.safetensors", 1, "x"});
  EXPECT_TRUE(keys.insert(JobKey({}, files, "auto")).second);
  EXPECT_TRUE(keys.insert(JobKey({}, kFiles, "cuda:0")).second);
}

TEST(JobKey, FilesThatTheJobDoesNotReadDoNotCount) {
  auto files = kFiles;
  files.insert(files.begin(), {"README.md", 5, "changed"});
  EXPECT_EQ(JobKey({}, files, "auto"), JobKey({}, kFiles, "auto"));
}

TEST(JobKey, AnotherTryHasAKeyOfItsOwn) {
  EXPECT_EQ(JobKeyAttempt("run-x", 1), "run-x");
  EXPECT_EQ(JobKeyAttempt("run-x", 2), "run-x-2");
}

}  // namespace
}  // namespace sub1quant
