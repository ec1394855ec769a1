#include "worker/memory.h"

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace sub1quant {
namespace {

class AvailableMemoryTest : public testing::Test {
 protected:
  AvailableMemoryTest() {
    std::string pattern = testing::TempDir() + "/memory-XXXXXX";
    root_ = mkdtemp(pattern.data());
  }
  ~AvailableMemoryTest() override { std::filesystem::remove_all(root_); }
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  std::string root_;
};

TEST_F(AvailableMemoryTest, NothingIsKnownWithoutTheFiles) { EXPECT_EQ(AvailableMemory(root_), 0u); }

TEST_F(AvailableMemoryTest, WithoutAGroupItIsMemAvailable) {
  Write("/proc/meminfo", "MemTotal:       100 kB\nMemFree:   1 kB\nMemAvailable:   64 kB\n");
  Write("/proc/self/cgroup", "0::/\nnonsense\n7:\n");
  Write("/sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(AvailableMemory(root_), 65536u);
}

TEST_F(AvailableMemoryTest, TheTightestGroupOfTheHierarchyCounts) {
  Write("/proc/meminfo", "MemAvailable:   64 kB\n");
  Write("/proc/self/cgroup", "0::/a/b/c\n");
  Write("/sys/fs/cgroup/a/memory.max", "4096\n");
  Write("/sys/fs/cgroup/a/b/memory.max", "max\n");
  Write("/sys/fs/cgroup/a/b/c/memory.max", "8192\n");
  EXPECT_EQ(AvailableMemory(root_), 4096u);
}

TEST_F(AvailableMemoryTest, VersionOneAndAContainerThatSeesOnlyItsOwnGroup) {
  Write("/proc/meminfo", "MemAvailable:   64 kB\n");
  Write("/proc/self/cgroup", "5:devices:/x\n4:memory:/host/path\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "12288\n");
  EXPECT_EQ(AvailableMemory(root_), 12288u);
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(AvailableMemory(root_), 65536u);
}

}  // namespace
}  // namespace sub1quant
