// What we write, judged by Python: zipfile and pickle alone, and torch itself where it is installed (python3-torch).
#include <sys/wait.h>

#include <cstdlib>

#include "core/file.h"
#include "golden_checkpoint.h"
#include "gtest/gtest.h"
#include "temporary_directory.h"

namespace sub1quant {
namespace {

constexpr int kNoTorch = 77;

int CheckPt(const std::string& mode, const std::string& path) {
  const std::string command = std::string("/usr/bin/python3 '") + SUB1QUANT_CHECK_PT + "' " + mode + " '" + path +
                              "' '" + GoldenPath("pt-model.json") + "'";
  return WEXITSTATUS(std::system(command.c_str()));
}

class PtPythonTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const PackedModel packed = PackGoldenModel();
    const absl::StatusOr<std::string> bytes = WritePtToString(packed.manifest, SourceOf(packed));
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    ASSERT_TRUE(WriteFileAtomically(Path(), *bytes).ok());
  }
  std::string Path() const { return temporary_.File("written.pt"); }
  TemporaryDirectory temporary_;
};

TEST_F(PtPythonTest, PickleAndZipfileReadTheGoldenDict) { EXPECT_EQ(CheckPt("", Path()), 0); }

TEST_F(PtPythonTest, TorchLoadsTheGoldenDict) {
  const int result = CheckPt("--torch", Path());
  if (result == kNoTorch) FAIL() << "python3-torch is not installed: run scripts/setup.sh";
  EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace sub1quant
