#include "worker/device.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

TEST(Device, AutoAndCpuAreTheCpu) {
  for (const char* option : {"auto", "cpu"}) EXPECT_EQ(ChooseDevice(option).value().torch_name, "cpu");
}

TEST(Device, CudaIsRefusedByName) {
  for (const char* option : {"cuda", "cuda:0", "cuda:17"}) {
    const absl::Status status = ChooseDevice(option).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr("this build has no CUDA"));
  }
}

TEST(Device, OtherWordsAreNotDevices) {
  for (const char* option : {"", "CPU", "cuda:", "cuda:x", "cuda:-1", "mps"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ChooseDevice(option).status())) << option;
  }
}

}  // namespace
}  // namespace sub1quant
