#include "server/flow/stages.h"

#include <algorithm>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/server/flow/sample.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using Stages = std::vector<StageKey>;

TEST(Stages, OfASearchWithOneTarget) {
  const JobSpecification s = SampleJob();
  EXPECT_THAT(StagesOf(s),
              UnorderedElementsAre(StageKey{kInspect, 0}, StageKey{kSearch, 0}, StageKey{kScoreBase, 0},
                                   StageKey{kAllocate, 0}, StageKey{kPack, 0}, StageKey{kSeal, 0}, StageKey{kExport, 0},
                                   StageKey{kScoreQuantized, 0}, StageKey{kAggregate, 0}));
  EXPECT_THAT(DependenciesOf(s, {kInspect, 0}), IsEmpty());
  EXPECT_THAT(DependenciesOf(s, {kScoreBase, 0}), ElementsAre(StageKey{kInspect, 0}));
  EXPECT_THAT(DependenciesOf(s, {kAllocate, 0}), ElementsAre(StageKey{kSearch, 0}));
  EXPECT_THAT(DependenciesOf(s, {kScoreQuantized, 0}), ElementsAre(StageKey{kSeal, 0}));
  EXPECT_THAT(DependenciesOf(s, {kExport, 0}), ElementsAre(StageKey{kSeal, 0}));
}

TEST(Stages, TargetsShareTheSearchAndTheBase) {
  JobSpecification s = SampleJob();
  s.target_bpw = {3.5, 4};
  const Stages stages = StagesOf(s);
  for (const char* shared : {kInspect, kSearch, kScoreBase, kAggregate})
    EXPECT_EQ(std::count_if(stages.begin(), stages.end(), [&](const StageKey& k) { return k.name == shared; }), 1)
        << shared;
  for (const char* own : {kAllocate, kPack, kSeal, kExport, kScoreQuantized})
    for (int target : {0, 1})
      EXPECT_EQ(std::count(stages.begin(), stages.end(), StageKey{own, target}), 1) << own << target;
  EXPECT_THAT(DependenciesOf(s, {kPack, 1}), ElementsAre(StageKey{kAllocate, 1}));
}

TEST(Stages, UniformAndGivenAllocationsDoNotSearch) {
  JobSpecification uniform = SampleJob(), given = SampleJob();
  uniform.uniform = "groupwise_int4";
  uniform.target_bpw = {3, 4};
  given.allocation = {{"a.weight", "int2_base"}};
  for (const JobSpecification& s : {uniform, given}) {
    EXPECT_FALSE(Searches(s));
    EXPECT_EQ(TargetCount(s), 1);
    const Stages stages = StagesOf(s);
    EXPECT_EQ(std::count(stages.begin(), stages.end(), StageKey{kSearch, 0}), 0);
    EXPECT_THAT(DependenciesOf(s, {kAllocate, 0}), ElementsAre(StageKey{kInspect, 0}));
  }
}

TEST(Stages, WithoutEvaluationNothingIsScored) {
  JobSpecification s = SampleJob();
  s.evaluate = false;
  for (const StageKey& key : StagesOf(s)) EXPECT_NE(key.name.substr(0, 5), "score");
  s.evaluate = true;
  s.baseline = false;
  const Stages stages = StagesOf(s);
  EXPECT_EQ(std::count(stages.begin(), stages.end(), StageKey{kScoreBase, 0}), 0);
  EXPECT_EQ(std::count(stages.begin(), stages.end(), StageKey{kScoreQuantized, 0}), 1);
}

TEST(Stages, EvaluateScoresTheModelOrTheCheckpoint) {
  JobSpecification s = SampleJob();
  s.quantize = false;
  EXPECT_THAT(StagesOf(s), ElementsAre(StageKey{kInspect, 0}, StageKey{kScoreBase, 0}, StageKey{kAggregate, 0}));
  s.checkpoint_manifest_sha256 = std::string(64, 'm');
  EXPECT_THAT(StagesOf(s), ElementsAre(StageKey{kInspect, 0}, StageKey{kScoreQuantized, 0}, StageKey{kAggregate, 0}));
  EXPECT_THAT(DependenciesOf(s, {kScoreQuantized, 0}), ElementsAre(StageKey{kInspect, 0}));
}

// Every kind of job: a stage waits only for stages that the job has and that stand before it, so the order of the list
// is an order of work and nothing waits for ever; aggregate waits for all.
TEST(Stages, EveryKindOfJobIsAnOrderedGraph) {
  for (int bits = 0; bits < 64; ++bits) {
    JobSpecification s = SampleJob();
    s.quantize = bits & 1;
    s.evaluate = bits & 2;
    s.baseline = bits & 4;
    if (bits & 8) s.target_bpw = {3, 3.5, 4};
    if (bits & 16) s.uniform = "groupwise_int4";
    if ((bits & 32) && !s.quantize) s.checkpoint_manifest_sha256 = std::string(64, 'm');
    if (!s.quantize && !s.evaluate) continue;
    const Stages stages = StagesOf(s);
    ASSERT_EQ(stages.back(), (StageKey{kAggregate, 0})) << bits;
    std::map<StageKey, size_t> place;
    for (size_t i = 0; i < stages.size(); ++i)
      EXPECT_TRUE(place.emplace(stages[i], i).second) << bits << stages[i].name;
    for (size_t i = 0; i < stages.size(); ++i) {
      for (const StageKey& before : DependenciesOf(s, stages[i])) {
        ASSERT_TRUE(place.count(before)) << bits << ": " << stages[i].name << " waits for " << before.name;
        EXPECT_LT(place[before], i) << bits << ": " << stages[i].name << " after " << before.name;
      }
    }
    EXPECT_EQ(DependenciesOf(s, stages.back()).size(), stages.size() - 1) << bits;
  }
}

}  // namespace
}  // namespace sub1quant
