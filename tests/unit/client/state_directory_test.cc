#include "client/state_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "client/outcome.h"
#include "tests/unit/client/scratch.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

// Not wrong usage: the same command is right as soon as the other run has ended.
TEST(StateDirectory, ASecondRunIsRefusedAndNamesTheHolder) {
  const Scratch scratch;
  {
    const auto first = StateDirectory::Open(scratch / "state");
    ASSERT_TRUE(first.ok()) << first.status();
    const absl::Status second = StateDirectory::Open(scratch / "state").status();
    EXPECT_EQ(ExitCodeOf(second), ExitCode::kRefused);
    EXPECT_THAT(ErrorText(second), HasSubstr("state: another run (process " + std::to_string(getpid()) +
                                             ") is using this directory\nhint: wait for it, or name another --state"));
  }
  EXPECT_TRUE(StateDirectory::Open(scratch / "state").ok());
}

TEST(StateDirectory, ItsDefaultFollowsTheEnvironment) {
  Environment environment;
  EXPECT_EQ(DefaultStateDirectory(environment), "");
  environment.home = "/home/u";
  EXPECT_EQ(DefaultStateDirectory(environment), "/home/u/.local/state/sub1quant");
  environment.xdg_state_home = "relative";
  EXPECT_EQ(DefaultStateDirectory(environment), "/home/u/.local/state/sub1quant");
  environment.xdg_state_home = "/s";
  EXPECT_EQ(DefaultStateDirectory(environment), "/s/sub1quant");
}

}  // namespace
}  // namespace sub1quant
