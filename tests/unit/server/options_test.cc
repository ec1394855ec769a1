#include "server/options.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

ServerOptions Good() {
  ServerOptions options;
  options.data = "/data";
  return options;
}
std::string Complaint(const ServerOptions& options) { return std::string(CheckOptions(options).message()); }

TEST(ServerOptions, ModelRootsAreDirectoriesThatAreThere) {
  ServerOptions options = Good();
  options.model_roots = {"a=/tmp", "b=/"};
  EXPECT_TRUE(CheckOptions(options).ok());
  EXPECT_THAT(ModelRootsOf(options).value(), ElementsAre(Pair("a", "/tmp"), Pair("b", "/")));
  for (const char* bad : {"", "a", "=/tmp", "a=", "a/b=/tmp", "x=/nope", "x=/etc/passwd"}) {
    options.model_roots = {bad};
    EXPECT_TRUE(absl::IsInvalidArgument(CheckOptions(options))) << bad;
    EXPECT_THAT(Complaint(options), HasSubstr("--model-root '" + std::string(bad) + "'"));
  }
  options.model_roots = {"a=/tmp", "a=/"};
  EXPECT_THAT(Complaint(options), HasSubstr("twice"));
}

TEST(ServerOptions, NeitherListenerIsForOthers) {
  for (std::string ServerOptions::*address : {&ServerOptions::listen, &ServerOptions::admin}) {
    const std::string name = address == &ServerOptions::listen ? "--listen" : "--admin";
    for (const char* good : {"127.0.0.1:0", "localhost:7071", "[::1]:7071", "unix:/tmp/x"}) {
      ServerOptions options = Good();
      options.*address = good;
      EXPECT_TRUE(CheckOptions(options).ok()) << good << ": " << CheckOptions(options);
    }
    for (const char* bad :
         {"0.0.0.0:7071", "[::]:7071", "host:7071", "7071", "unix:", "127.0.0.1:", "127.0.0.1:99999"}) {
      ServerOptions options = Good();
      options.*address = bad;
      EXPECT_THAT(Complaint(options), HasSubstr(name)) << bad;
    }
  }
}

TEST(ServerOptions, WhatThisVersionLacksIsRefusedByName) {
  ServerOptions options = Good();
  options.store = "postgres://x";
  EXPECT_THAT(Complaint(options), HasSubstr("--store"));
  options = Good();
  options.tokens = "file";
  EXPECT_THAT(Complaint(options), HasSubstr("--tokens"));
}

TEST(ServerOptions, ALeaseOfNoTimeIsRefusedInWords) {
  ServerOptions options;
  std::vector<std::string> arguments = {"--data", "/d", "--lease-seconds", "0"};
  std::reverse(arguments.begin(), arguments.end());
  EXPECT_THROW(MakeServerApp(options)->parse(arguments), CLI::ParseError);
}

}  // namespace
}  // namespace sub1quant
