// Kernels with a bug planted at build time (tests/support/cuda_on_host/CMakeLists.txt): each must give something else
// than the scalar code on the inputs that hunt, or these inputs are worth nothing.
#include <gtest/gtest.h>

#include <cstring>

#include "absl/strings/str_split.h"
#include "tests/support/weight_inputs.h"
#include "tests/unit/quant/device/host_device.h"

namespace sub1quant {
namespace {

using testing::OpenHostDevice;

// True if a search or an encoding of `matrix` differs from the scalar code's.
bool Differs(KernelDevice& device, const WeightMatrix& matrix, const std::string& method) {
  const auto want = FindCodec(method)->Encode(matrix.view(), {.implementation = Implementations().back()});
  const auto got = device.Encode(matrix.view(), method, {});
  if (!got.ok() || got->error != want->error) return true;
  for (size_t i = 0; i < want->arrays.size(); ++i)
    if (got->arrays[i].bytes != want->arrays[i].bytes) return true;
  for (const auto& methods : std::vector<std::vector<std::string>>{{method}, PublishedMethods()}) {
    const auto rows = device.Search(matrix.view(), 128, methods);
    if (!rows.ok()) return true;
    for (const CandidateRow& row : *rows)
      if (row.method == method && row.error != want->error) return true;
  }
  return false;
}

class PlantedBug : public ::testing::TestWithParam<std::string> {};

TEST_P(PlantedBug, IsSeen) {
  const auto device = OpenHostDevice(GetParam());
  const std::string family = GetParam().substr(0, GetParam().find('_'));
  const std::string method = family == "int2"      ? "int2_error_budget_k4"
                             : family == "integer" ? "int4"
                                                   : "groupwise_int4";
  bool differs = false;
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16})
    differs = differs || Differs(*device, WeightSource(1).Matrix(dtype, 60, 500, 128), method);
  EXPECT_TRUE(differs);
}

INSTANTIATE_TEST_SUITE_P(All, PlantedBug,
                         ::testing::ValuesIn(std::vector<std::string>(absl::StrSplit(CUDA_ON_HOST_PLANTED, ','))),
                         [](const auto& info) { return info.param; });

TEST(PlantedBugs, WithoutOneNothingDiffers) {
  const auto device = OpenHostDevice();
  const WeightMatrix matrix = WeightSource(1).Matrix(DType::kF32, 40, 500, 128);
  EXPECT_FALSE(Differs(*device, matrix, "groupwise_int4"));
}

}  // namespace
}  // namespace sub1quant
