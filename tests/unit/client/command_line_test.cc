// Whole command lines: exit codes, what goes where, and the commands that need no server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/context.h"
#include "core/json.h"
#include "scratch.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kData = SUB1QUANT_TESTDATA;

struct Result {
  int exit;
  std::string out, error;
};

Result Command(std::vector<std::string> arguments, Environment environment = {}) {
  const std::unique_ptr<Clock> clock = NewSystemClock();
  std::ostringstream out, error;
  Context context{std::move(environment), out, error, *clock};
  std::vector<const char*> argv = {"sub1quant"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  const int exit = RunClient(static_cast<int>(argv.size()), argv.data(), context);
  return {exit, out.str(), error.str()};
}

TEST(CommandLine, HelpAndVersionGoToStdout) {
  for (const char* command : {"run", "submit", "jobs", "status", "watch", "cancel", "logs", "report", "download",
                              "inspect", "evaluate", "export", "workers", "delete", "import", "compare", "verify"}) {
    const Result result = Command({std::string(command), "--help"});
    EXPECT_EQ(result.exit, 0) << command;
    EXPECT_THAT(result.out, HasSubstr("--quiet")) << command;
    EXPECT_EQ(result.error, "") << command;
  }
  EXPECT_THAT(Command({"run", "--help"}).out, HasSubstr("--target-bpw X=4.0"));
  EXPECT_EQ(Command({"--help"}).exit, 0);
  const Result version = Command({"--version"});
  EXPECT_EQ(version.exit, 0);
  EXPECT_THAT(version.out, StartsWith("sub1quant "));
}

TEST(CommandLine, UsageErrorsAreTwoAndOneLineWithAHint) {
  Scratch scratch;
  Environment environment;
  environment.home = scratch.path();
  const std::string model = kData + "/gemma4-tiny", corpus = kData + "/wikitext-2/wiki.test.raw";
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {},
           {"nonsense"},
           {"run"},
           {"run", "--model", model},
           {"run", "--model", model, "--corpus", corpus, "--target-bpw", "-1"},
           {"run", "--model", model, "--corpus", corpus, "--target-bpw", "nan"},
           {"run", "--model", model, "--corpus", corpus, "--group-size", "100"},
           {"run", "--model", model, "--corpus", corpus, "--uniform", "int9"},
           {"run", "--model", model, "--corpus", corpus, "--pin", "(=keep"},
           {"run", "--model", model, "--corpus", corpus, "--device", "tpu"},
           {"run", "--model", model, "--corpus", corpus, "--stride", "1000"},
           {"run", "--model", model, "--corpus", corpus, "--dtype", "float64"},
           {"run", "--model", model, "--corpus", corpus, "--workers", "0"},
           {"run", "--model", model, "--corpus", corpus, "--threads", "0"},
           {"run", "--model", model, "--corpus", corpus, "--threads", "-1"},
           {"evaluate", "--model", model, "--corpus", corpus, "--threads", "5000"},
           {"run", "--model", model, "--corpus", corpus, "--memory", "much"},
           {"run", "--model", model, "--corpus", corpus, "--memory", "-1"},
           {"run", "--model", "s3://bucket/x", "--corpus", corpus},
           {"run", "--model", kData + "/wikitext-2", "--corpus", corpus},
           {"run", "--model", model, "--corpus", scratch.Write("empty", "")},
           {"run", "--model", model, "--corpus", scratch.Write("latin", "caf\xe9")},
           {"evaluate", "--model", model},
           {"status"},
           {"export", kData, "--to", "gguf", "--out", scratch / "x"},
           {"export", kData, "--to", "zip", "--out", scratch / "x"},
           {"submit", "--model", "/absolute", "--no-eval"},
       }) {
    const Result result = Command(arguments, environment);
    EXPECT_EQ(result.exit, 2) << testing::PrintToString(arguments) << result.error;
    EXPECT_THAT(result.error, StartsWith("sub1quant: error: "));
    EXPECT_EQ(result.out, "");
    const auto lines = std::count(result.error.begin(), result.error.end(), '\n');
    EXPECT_TRUE(lines == 1 || lines == 2) << result.error;
  }
  // Nothing was started, so nothing was left.
  EXPECT_FALSE(std::filesystem::exists(scratch / ".local"));
}

// 2^64 and more once came back as the largest number of 64 bits.
TEST(CommandLine, ANumberOutOfRangeIsShownAsItWasGiven) {
  for (const char* option : {"--window", "--stride", "--max-chunks", "--group-size"})
    for (const std::string number : {"99999999999999999999", "-99999999999999999999"}) {
      const Result result = Command({"run", "--model", kData + "/gemma4-tiny", "--no-eval", option, number});
      EXPECT_EQ(result.exit, 2);
      EXPECT_THAT(result.error, HasSubstr(std::string(option) + ": " + number + " is out of range"));
    }
}

TEST(CommandLine, WhatIsNotThereIsFour) {
  Scratch scratch;
  Environment environment;
  environment.home = scratch.path();
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"inspect", scratch / "absent"},
           {"verify", scratch / "absent"},
           {"compare", scratch / "absent", scratch / "absent"},
           {"run", "--model", scratch / "absent", "--no-eval"},
           {"run", "--model", kData + "/gemma4-tiny", "--corpus", scratch / "absent"},
           {"import", scratch / "absent", "--out", scratch / "x"},
       })
    EXPECT_EQ(Command(arguments, environment).exit, 4) << testing::PrintToString(arguments);
}

TEST(CommandLine, AServerThatIsNotThereIsThree) {
  Scratch scratch;
  const Result result = Command({"status", "0123", "--server", "unix:" + (scratch / "s")});
  EXPECT_EQ(result.exit, 3);
  EXPECT_THAT(result.error, HasSubstr("cannot be reached"));
  EXPECT_THAT(result.error, HasSubstr("\nhint: "));
}

TEST(CommandLine, InspectsAModel) {
  const Result result = Command({"inspect", "--json", kData + "/codec-golden/pt-model"});
  ASSERT_EQ(result.exit, 0) << result.error;
  const auto facts = ParseJson(result.out);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ((*facts)["kind"], "model");
  EXPECT_EQ((*facts)["quantizable_tensors"], 5);
  for (const Json& tensor : (*facts)["tensors"])
    EXPECT_EQ(tensor["quantizable"].get<bool>(), tensor["reason"].is_null());

  const Result text = Command({"inspect", kData + "/gemma4-tiny"});
  ASSERT_EQ(text.exit, 0) << text.error;
  EXPECT_THAT(text.out, HasSubstr("64 matrices"));
  EXPECT_THAT(text.out, HasSubstr("no: "));
}

TEST(CommandLine, InspectsFiles) {
  const Result tensors = Command({"inspect", "--json", kData + "/gemma4-tiny/model.safetensors"});
  ASSERT_EQ(tensors.exit, 0) << tensors.error;
  EXPECT_EQ((*ParseJson(tensors.out))["kind"], "safetensors");
  const Result pt = Command({"inspect", "--json", kData + "/codec-golden/pt-model.pt"});
  ASSERT_EQ(pt.exit, 0) << pt.error;
  EXPECT_EQ((*ParseJson(pt.out))["quantized_tensors"], 5);
  EXPECT_EQ(Command({"inspect", kData + "/wikitext-2/README.md"}).exit, 2);
}

TEST(CommandLine, ImportVerifyExportIsARoundTrip) {
  Scratch scratch;
  const std::string pt = kData + "/codec-golden/pt-model.pt", model = kData + "/codec-golden/pt-model";
  const Result imported = Command({"import", pt, "--model", model, "--out", scratch / "artifact"});
  ASSERT_EQ(imported.exit, 0) << imported.error;
  const Result verified = Command({"verify", "--json", scratch / "artifact"});
  ASSERT_EQ(verified.exit, 0) << verified.error;
  EXPECT_EQ((*ParseJson(verified.out))["ok"], true);
  const Result exported =
      Command({"export", scratch / "artifact", "--to", "pt", "--model", model, "--out", scratch / "x.pt"});
  ASSERT_EQ(exported.exit, 0) << exported.error;
  EXPECT_EQ(Command({"verify", scratch / "x.pt"}).exit, 0);
  // A file that is there is not replaced unasked.
  EXPECT_EQ(Command({"export", scratch / "artifact", "--to", "pt", "--out", scratch / "x.pt"}).exit, 2);

  // One flipped byte in a blob is found and named.
  const auto blob = std::filesystem::directory_iterator(scratch / "artifact/blobs")->path();
  std::string bytes = scratch.Read("artifact/blobs/" + blob.filename().string());
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  std::filesystem::remove(blob);
  scratch.Write("artifact/blobs/" + blob.filename().string(), bytes);
  EXPECT_EQ(Command({"verify", scratch / "artifact"}).exit, 1);
}

}  // namespace
}  // namespace sub1quant
