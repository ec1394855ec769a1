#include "quant/plan/specification.h"

#include <functional>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/plan/key_pattern.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

JobSpecification Valid() {
  JobSpecification s;
  s.model_root = "models";
  s.model_path = "gemma";
  s.model_name = "gemma";
  s.corpus_sha256 = std::string(64, 'a');
  return s;
}

// Every field differs from its default.
JobSpecification Unusual() {
  JobSpecification s = Valid();
  s.corpus_name = "wiki.txt";
  s.quantize = false;
  s.checkpoint_manifest_sha256 = std::string(64, 'b');
  s.target_bpw = {3.5, 4.1};
  s.uniform = "groupwise_int4";
  s.allocation = {{"a", "int2_base"}, {"b", "groupwise_int4"}};
  s.formats = {"groupwise_int4", "int2_base"};
  s.group_size = 64;
  s.allocator = "optimal";
  s.activation_weights = {{"3", 0.1}, {"a", 2.5}};
  s.pins = {{"q_proj", "keep"}};
  s.excludes = {"\\.0\\."};
  s.evaluate = false;
  s.baseline = false;
  s.window = 128;
  s.stride = 64;
  s.max_chunks = 7;
  s.dtype = "bfloat16";
  s.published_protocol = false;
  s.label = "label";
  return s;
}

TEST(SpecificationJson, EveryFieldSurvivesTheRoundTripThroughText) {
  for (const JobSpecification& s : {Valid(), Unusual()}) {
    auto json = ParseJson(DumpJson(ToJson(s)));
    ASSERT_TRUE(json.ok()) << json.status();
    auto back = SpecificationFromJson(*json);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, s);
  }
}

TEST(SpecificationJson, AbsentKeysTakeTheDefaults) {
  auto s = SpecificationFromJson(Json::object());
  ASSERT_TRUE(s.ok());
  EXPECT_EQ(*s, JobSpecification());
}

TEST(SpecificationJson, MapsAreSortedSoThatEqualJobsCompareEqual) {
  auto s = SpecificationFromJson(*ParseJson(R"({"activation_weights": {"b": 1, "a": 2}})"));
  ASSERT_TRUE(s.ok());
  EXPECT_EQ(s->activation_weights.front().first, "a");
}

TEST(SpecificationJson, RefusesUnknownKeysAndWrongTypesByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"no_such_key": 1})", "no_such_key"},
      {R"({"window": "512"})", "window"},
      {R"({"window": 1.5})", "window"},
      {R"({"window": 18446744073709551615})", "window"},
      {R"({"group_size": 4294967424})", "group_size"},
      {R"({"target_bpw": 4})", "target_bpw"},
      {R"({"target_bpw": ["4"]})", "target_bpw"},
      {R"({"activation_weights": {"k": "x"}})", "activation_weights.k"},
      {R"({"pins": [{"regex": "a", "bits": 4}]})", "pins.bits"},
      {R"({"protocol": ["other"]})", "other"},
      {R"({"evaluate": 1})", "evaluate"},
      {R"([])", "object"},
  };
  for (const auto& [text, name] : cases) {
    auto s = SpecificationFromJson(*ParseJson(text));
    EXPECT_EQ(s.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(s.status().message()), HasSubstr(name)) << text;
  }
}

TEST(Validate, AcceptsTheDefaultsWithAModelAndACorpus) { EXPECT_EQ(Validate(Valid()), absl::OkStatus()); }

TEST(Validate, AcceptsEvaluateOfACheckpoint) {
  JobSpecification s = Valid();
  s.quantize = false;
  s.checkpoint_manifest_sha256 = std::string(64, 'c');
  EXPECT_EQ(Validate(s), absl::OkStatus());
}

TEST(Validate, RefusesNamingTheOption) {
  using Change = std::function<void(JobSpecification&)>;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::pair<Change, const char*> cases[] = {
      {[](auto& s) { s.model_root = ""; }, "--model"},
      {[](auto& s) { s.model_path = "/etc"; }, "--model"},
      {[](auto& s) { s.model_path = std::string("a\0b", 3); }, "--model"},
      {[](auto& s) { s.label = "a\nb"; }, "--label"},
      {[](auto& s) { s.corpus_sha256 = ""; }, "--corpus"},
      {[](auto& s) { s.corpus_sha256 = "../../etc/passwd"; }, "--corpus"},
      {[](auto& s) { s.quantize = s.evaluate = false; }, "nothing to do"},
      {[](auto& s) { s.checkpoint_manifest_sha256 = std::string(64, 'a'); }, "--checkpoint"},
      {[](auto& s) { s.target_bpw = {}; }, "--target-bpw"},
      {[](auto& s) { s.target_bpw = {0}; }, "--target-bpw"},
      {[](auto& s) { s.target_bpw = {33}; }, "--target-bpw"},
      {[=](auto& s) { s.target_bpw = {nan}; }, "--target-bpw"},
      {[](auto& s) {
         s.target_bpw = {4, 4};
       },
       "--target-bpw"},
      {[](auto& s) {
         s.target_bpw = {4, 4.00000001};
       },
       "--target-bpw"},  // one folder name
      {[](auto& s) { s.uniform = "int9"; }, "--uniform"},
      {[](auto& s) {
         s.uniform = "groupwise_int4", s.allocation = {{"a", "groupwise_int4"}};
       },
       "--allocation"},
      {[](auto& s) {
         s.allocation = {{"a", "nothing"}};
       },
       "--allocation"},
      {[](auto& s) {
         s.formats = {"int2_base", "int2_base"};
       },
       "--formats"},
      {[](auto& s) { s.formats = {"int2_error_budget_k64"}, s.group_size = 32; }, "--formats"},
      {[](auto& s) { s.group_size = 100; }, "--group-size"},
      {[](auto& s) { s.allocator = "best"; }, "--allocator"},
      {[=](auto& s) {
         s.activation_weights = {{"a", nan}};
       },
       "--activation-weights"},
      {[](auto& s) {
         s.activation_weights = {{"a", -1}};
       },
       "--activation-weights"},
      {[](auto& s) {
         s.pins = {{"(", "keep"}};
       },
       "--pin"},
      {[](auto& s) {
         s.pins = {{"a", "int9"}};
       },
       "--pin"},
      {[](auto& s) { s.excludes = {"*"}; }, "--exclude"},
      {[](auto& s) { s.window = 1; }, "--window"},
      {[](auto& s) { s.stride = 513; }, "--stride"},
      {[](auto& s) { s.stride = 0; }, "--stride"},
      {[](auto& s) { s.max_chunks = -1; }, "--max-chunks"},
      {[](auto& s) { s.dtype = "float16"; }, "--dtype"},
      {[](auto& s) { s.published_protocol = s.bos_per_window_protocol = false; }, "--protocol"},
  };
  for (const auto& [change, name] : cases) {
    JobSpecification s = Valid();
    change(s);
    const absl::Status status = Validate(s);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(name));
  }
}

// An expression that takes a backtracking matcher exponential time must not stop the server.
TEST(KeyPattern, HostileExpressionsEndSoon) {
  auto pattern = KeyPattern::Compile("(a*)*b");
  ASSERT_TRUE(pattern.ok()) << pattern.status();
  EXPECT_FALSE(pattern->Matches(std::string(200, 'a')));
  EXPECT_TRUE(pattern->Matches(std::string(200, 'a') + "b"));
  EXPECT_FALSE(KeyPattern::Compile("(a)\\1").ok());
  EXPECT_FALSE(KeyPattern::Compile("((((a{1000}){1000}){1000}){1000})").ok());
  EXPECT_FALSE(KeyPattern::Compile(std::string(1001, 'a')).ok());
  EXPECT_FALSE(KeyPattern::Compile("").ok());
}

TEST(KeyPattern, SearchesAnywhereInTheKey) {
  auto pattern = KeyPattern::Compile("layers\\.[01]\\..*q_proj");
  ASSERT_TRUE(pattern.ok());
  EXPECT_TRUE(pattern->Matches("model.layers.1.self_attn.q_proj.weight"));
  EXPECT_FALSE(pattern->Matches("model.layers.2.self_attn.q_proj.weight"));
}

}  // namespace
}  // namespace sub1quant
