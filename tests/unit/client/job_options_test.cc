// Options → specification.
#include "client/job_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quant/codec/codec.h"
#include "scratch.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<JobSpecification> Parse(std::vector<std::string> arguments) {
  CLI::App app;
  JobOptions options;
  options.AddSearchOptions(app);
  options.AddScoringOptions(app);
  std::reverse(arguments.begin(), arguments.end());  // what CLI11 expects of a vector
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  return options.Specification();
}

TEST(JobOptions, NothingGivenIsTheDefault) {
  const auto specification = Parse({});
  ASSERT_TRUE(specification.ok()) << specification.status();
  EXPECT_EQ(*specification, JobSpecification());
}

TEST(JobOptions, EveryOptionReachesItsField) {
  const auto s = Parse({"--target-bpw",
                        "3",
                        "--target-bpw",
                        "4.5",
                        "--formats",
                        "groupwise_int4,int2_base",
                        "--group-size",
                        "64",
                        "--allocator",
                        "optimal",
                        "--pin",
                        "a=b=keep",
                        "--pin",
                        "x=int2_base",
                        "--exclude",
                        "vision",
                        "--no-baseline",
                        "--window",
                        "256",
                        "--stride",
                        "128",
                        "--max-chunks",
                        "7",
                        "--dtype",
                        "float32",
                        "--protocol",
                        "bos_per_window",
                        "--label",
                        "mine"});
  ASSERT_TRUE(s.ok()) << s.status();
  EXPECT_THAT(s->target_bpw, ElementsAre(3, 4.5));
  EXPECT_THAT(s->formats, ElementsAre("groupwise_int4", "int2_base"));
  EXPECT_EQ(s->group_size, 64);
  EXPECT_EQ(s->allocator, "optimal");
  EXPECT_THAT(s->pins, ElementsAre(PinRule{"a=b", "keep"}, PinRule{"x", "int2_base"}));
  EXPECT_THAT(s->excludes, ElementsAre("vision"));
  EXPECT_FALSE(s->baseline);
  EXPECT_TRUE(s->evaluate);
  EXPECT_EQ(s->window, 256);
  EXPECT_EQ(s->stride, 128);
  EXPECT_EQ(s->max_chunks, 7);
  EXPECT_EQ(s->dtype, "float32");
  EXPECT_FALSE(s->published_protocol);
  EXPECT_TRUE(s->bos_per_window_protocol);
  EXPECT_EQ(s->label, "mine");
}

TEST(JobOptions, FlagsOverrideTheFileAndTheFileTheDefaults) {
  Scratch scratch;
  JobSpecification written;
  written.target_bpw = {3.25};
  written.window = 128;
  written.stride = 128;
  written.label = "of the file";
  const std::string file = scratch.Write("spec.json", DumpJson(ToJson(written)));
  const auto s = Parse({"--spec", file, "--window", "256"});
  ASSERT_TRUE(s.ok()) << s.status();
  EXPECT_THAT(s->target_bpw, ElementsAre(3.25));
  EXPECT_EQ(s->window, 256);
  EXPECT_EQ(s->stride, 128);
  EXPECT_EQ(s->label, "of the file");

  // A report carries it under "specification".
  const std::string report =
      scratch.Write("report.json", DumpJson(Json{{"version", 1}, {"specification", ToJson(written)}}));
  const auto from_report = Parse({"--spec", report});
  ASSERT_TRUE(from_report.ok()) << from_report.status();
  EXPECT_EQ(*from_report, written);
}

TEST(JobOptions, ATargetOnTheCommandLineReplacesTheUniformOfTheFile) {
  Scratch scratch;
  JobSpecification written;
  written.uniform = "groupwise_int4";
  const auto s = Parse({"--spec", scratch.Write("spec.json", DumpJson(ToJson(written))), "--target-bpw", "3"});
  ASSERT_TRUE(s.ok()) << s.status();
  EXPECT_EQ(s->uniform, "");
}

TEST(JobOptions, ASmallerWindowTakesSmallerSteps) {
  EXPECT_EQ(Parse({"--window", "256"})->stride, 256);
  EXPECT_EQ(Parse({"--window", "1024"})->stride, 512);
  EXPECT_EQ(Parse({"--window", "256", "--stride", "300"})->stride, 300);  // refused by Validate, not changed
}

TEST(JobOptions, ReadsActivationWeights) {
  Scratch scratch;
  const auto s = Parse({"--activation-weights", scratch.Write("w.json", R"({"b": 2, "a": 0.5})")});
  ASSERT_TRUE(s.ok()) << s.status();
  EXPECT_THAT(s->activation_weights,
              ElementsAre(std::pair<std::string, double>("b", 2), std::pair<std::string, double>("a", 0.5)));
  EXPECT_THAT(Parse({"--activation-weights", scratch.Write("w.json", R"({"b": "2"})")}).status().message(),
              HasSubstr("'b'"));
  EXPECT_EQ(Parse({"--activation-weights", scratch / "absent"}).status().code(), absl::StatusCode::kNotFound);
}

TEST(JobOptions, ReadsAnAllocation) {
  const auto s = Parse({"--allocation", std::string(SUB1QUANT_TESTDATA) + "/codec-golden/pt-model.scan.json"});
  ASSERT_TRUE(s.ok()) << s.status();
  EXPECT_EQ(s->allocation.size(), 5u);
}

TEST(JobOptions, NamedFormatSetsExpand) {
  EXPECT_EQ(*ExpandFormats({"published"}), PublishedMethods());
  // A duplicate is left out, the order stays.
  const auto mixed = ExpandFormats({"groupwise_int4", "published"});
  ASSERT_TRUE(mixed.ok());
  EXPECT_EQ(mixed->size(), PublishedMethods().size());
  EXPECT_EQ(mixed->front(), "groupwise_int4");
  EXPECT_THAT(*ExpandFormats({"integer"}), ElementsAre("int2", "int3", "int4", "int5", "int6", "int8"));
  const auto both = ExpandFormats({"int4", "published", "integer", "int3"});
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(both->size(), PublishedMethods().size() + IntegerMethods().size());
  EXPECT_EQ(both->front(), "int4");
  EXPECT_EQ(both->back(), "int8");
  // What is expected is listed.
  const std::string refused(ExpandFormats({"int99"}).status().message());
  for (const char* name : {"'int99'", "published", "integer", "groupwise_int4", "int8"})
    EXPECT_THAT(refused, HasSubstr(name));
}

TEST(JobOptions, RefusesByName) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--pin", "noequals"},
                                             {"--pin", "=keep"},
                                             {"--pin", "x="},
                                             {"--protocol", "other"},
                                             {"--window", "abc"},
                                             {"--target-bpw", "four"},
                                             {"--uniform", "int2_base", "--target-bpw", "3"},
                                             {"--no-such-option"}}) {
    const auto s = Parse(arguments);
    EXPECT_EQ(s.status().code(), absl::StatusCode::kInvalidArgument) << arguments.front();
    EXPECT_THAT(std::string(s.status().message()), HasSubstr(arguments.front()));
  }
}

TEST(JobOptions, DefaultLabelSaysModelAndTarget) {
  JobSpecification s;
  s.model_name = "gemma4-tiny";
  EXPECT_EQ(DefaultLabel(s), "gemma4-tiny-4.0bpw");
  s.target_bpw = {3, 3.25};
  EXPECT_EQ(DefaultLabel(s), "gemma4-tiny-3.0-3.25bpw");
  s.uniform = "int2_base";
  EXPECT_EQ(DefaultLabel(s), "gemma4-tiny-int2_base");
  s.quantize = false;
  EXPECT_EQ(DefaultLabel(s), "gemma4-tiny-base");
}

}  // namespace
}  // namespace sub1quant
