// The kernels of scoring, run on the CPU; and modules with a bug planted (tests/support/cuda_on_host/CMakeLists.txt),
// which the same checks must notice, or they are worth nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "tests/unit/quant/eval/cuda/score_checks.h"

namespace sub1quant::testing {
namespace {

using ::testing::IsEmpty;

template <typename T>
class ScoreKernels : public ::testing::Test {
 protected:
  const ScoreDoor& door_ = OpenScoreDoor("right");
};
using Types = ::testing::Types<float, Bfloat16>;
TYPED_TEST_SUITE(ScoreKernels, Types);

TYPED_TEST(ScoreKernels, Norms) { EXPECT_THAT(CheckNorms<TypeParam>(this->door_), IsEmpty()); }
TYPED_TEST(ScoreKernels, GatedGelu) { EXPECT_THAT(CheckGatedGelu<TypeParam>(this->door_), IsEmpty()); }
TYPED_TEST(ScoreKernels, Rope) { EXPECT_THAT(CheckRope<TypeParam>(this->door_), IsEmpty()); }
TYPED_TEST(ScoreKernels, Losses) { EXPECT_THAT(CheckLosses<TypeParam>(this->door_), IsEmpty()); }
TYPED_TEST(ScoreKernels, NaN) { EXPECT_THAT(CheckNaN<TypeParam>(this->door_), IsEmpty()); }

class PlantedScoreBug : public ::testing::TestWithParam<std::string> {};

TEST_P(PlantedScoreBug, IsSeen) {
  const ScoreDoor& door = OpenScoreDoor(GetParam());
  const auto seen = [&]<typename T>() {
    return !CheckNorms<T>(door).empty() || !CheckGatedGelu<T>(door).empty() || !CheckLosses<T>(door).empty() ||
           !CheckRope<T>(door).empty() || !CheckNaN<T>(door).empty();
  };
  EXPECT_TRUE(seen.template operator()<float>() || seen.template operator()<Bfloat16>());
}

INSTANTIATE_TEST_SUITE_P(All, PlantedScoreBug,
                         ::testing::ValuesIn(std::vector<std::string>(absl::StrSplit(CUDA_ON_HOST_PLANTED, ','))),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace sub1quant::testing
