#include "worker/options.h"

#include "CLI/CLI.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/models.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// CLI11 takes the arguments last first.
void Parse(std::vector<std::string> arguments, WorkerOptions& options) {
  std::reverse(arguments.begin(), arguments.end());
  MakeWorkerApp(options)->parse(arguments);
}

TEST(Options, ReadsEverything) {
  WorkerOptions options;
  Parse({"--server",
         "unix:/tmp/a b",
         "--threads",
         "3",
         "--memory",
         "3GiB",
         "--name",
         "n",
         "--model-root",
         "a=/",
         "--model-root",
         "b=/tmp",
         "--session",
         std::string(32, 'a'),
         "--trust-model-roots",
         "--parent-death",
         "--metrics",
         "9471",
         "--drain-seconds",
         "0",
         "--log-format",
         "json",
         "--blobs",
         "/b",
         "--device",
         "cpu"},
        options);
  EXPECT_TRUE(CheckOptions(options).ok());
  EXPECT_EQ(options.threads, 3);
  EXPECT_EQ(options.memory, uint64_t{3} << 30);
  EXPECT_EQ(options.drain_seconds, 0);
  EXPECT_THAT(options.model_roots, ElementsAre("a=/", "b=/tmp"));
  EXPECT_TRUE(options.trust_model_roots && options.parent_death);
}

TEST(Options, RefusesByName) {
  WorkerOptions options;
  EXPECT_THROW(Parse({"--server", "h:1", "--threads", "0"}, options), CLI::ParseError);
  EXPECT_THROW(Parse({"--server", "h:1", "--log-format", "xml"}, options), CLI::ParseError);
  EXPECT_THROW(Parse({"--server", "h:1", "--unknown"}, options), CLI::ParseError);
  options = {};
  options.server = "nowhere";
  EXPECT_THAT(std::string(CheckOptions(options).message()), HasSubstr("--server"));
  for (const char* size : {"0", "-1", "many", "1X"}) {
    WorkerOptions none;
    EXPECT_THROW(Parse({"--server", "h:1", "--cache", "/c", "--cache-size", size}, none), CLI::ParseError) << size;
    EXPECT_THROW(Parse({"--server", "h:1", "--memory", size}, none), CLI::ParseError) << size;
  }
  options.server = "h:1";
  options.cache_size = 1;
  EXPECT_THAT(std::string(CheckOptions(options).message()), HasSubstr("--cache-size"));
  options.cache_size = 0;
  options.session = "short";
  EXPECT_THAT(std::string(CheckOptions(options).message()), HasSubstr("--session"));
}

TEST(Options, SizesHaveUnits) {
  WorkerOptions options;
  Parse({"--server", "h:1", "--cache", "/c", "--cache-size", "20G"}, options);
  EXPECT_TRUE(CheckOptions(options).ok());
  EXPECT_EQ(options.cache_size, uint64_t{20} << 30);
}

// The user reads one line that names the option, the value and what is possible.
TEST(Options, NoThreadsAreRefusedInWords) {
  WorkerOptions options;
  try {
    Parse({"--server", "h:1", "--threads", "0"}, options);
    FAIL();
  } catch (const CLI::ParseError& error) {
    for (const char* word : {"--threads", "0", "1", "4096"}) EXPECT_THAT(std::string(error.what()), HasSubstr(word));
  }
}

TEST(Options, HelpHidesWhatIsForRunOnly) {
  WorkerOptions options;
  const std::string help = MakeWorkerApp(options)->help();
  EXPECT_THAT(help, HasSubstr("--model-root"));
  for (const char* hidden : {"--session", "--trust-model-roots", "--parent-death", "--fail-when-full"})
    EXPECT_THAT(help, Not(HasSubstr(hidden)));
}

TEST(ModelRootOption, NameAndExistingDirectory) {
  ModelRoots roots;
  EXPECT_TRUE(AddModelRoot("a=/tmp", roots).ok());
  EXPECT_EQ(roots.directories.at("a"), "/tmp");
  for (const char* bad : {"", "a", "=", "a=", "=/tmp", "b=/nonexistent/directory", "a=/"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(AddModelRoot(bad, roots))) << bad;
  }
}

}  // namespace
}  // namespace sub1quant
