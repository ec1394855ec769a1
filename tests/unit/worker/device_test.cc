#include "worker/device.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Recorder {
  std::vector<std::string> refused;
  DeviceEvents events() {
    return {[this](const KernelRefusal& refusal) { refused.push_back(refusal.operation + " " + refusal.method); },
            [](const std::string&) { FAIL() << "no device was lost"; }};
  }
};

constexpr char kNoModule[] = "/nonexistent/libsub1quant_cuda.so";

TEST(Device, WithoutAModuleAutoAndCpuAreTheCpu) {
  Recorder recorder;
  for (const char* option : {"auto", "cpu"}) {
    const auto device = ChooseDevice(option, kNoModule, recorder.events());
    ASSERT_TRUE(device.ok()) << device.status();
    EXPECT_EQ(device->torch_name, "cpu");
    EXPECT_EQ(device->description, "cpu");
    EXPECT_NE(device->coder, nullptr);
  }
}

TEST(Device, WithoutAModuleCudaIsRefusedByName) {
  Recorder recorder;
  for (const char* option : {"cuda", "cuda:0", "cuda:17"}) {
    const absl::Status status = ChooseDevice(option, kNoModule, recorder.events()).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string("--device ") + option + ": no device module"));
    EXPECT_THAT(std::string(status.message()), HasSubstr(kNoModule));
  }
}

TEST(Device, OtherWordsAreNotDevices) {
  Recorder recorder;
  for (const char* option : {"", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:99999999999", "cuda:1 ", "mps"})
    EXPECT_TRUE(absl::IsInvalidArgument(ChooseDevice(option, kNoModule, recorder.events()).status())) << option;
}

TEST(Device, TheModuleLiesBesideTheProgram) {
  EXPECT_THAT(DeviceModulePath(), HasSubstr("/../lib/sub1quant/libsub1quant_cuda.so"));
}

TEST(DeviceDeathTest, ALostDeviceEndsTheProcessWith75) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(ExitForLostDevice("device lost: test"), ::testing::ExitedWithCode(75), "");
}

#ifdef CUDA_ON_HOST_MODULES

// The kernels run on the CPU here; what is tested is the way to them.
TEST(Device, AModuleWithADeviceIsTakenAndProven) {
  Recorder recorder;
  const auto device = ChooseDevice("auto", CUDA_ON_HOST_MODULES "/right.so", recorder.events());
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_EQ(device->description, "cuda:0 (CUDA on host)");
  EXPECT_EQ(device->torch_name, "cuda:0");
  EXPECT_NE(device->launches, nullptr);
  EXPECT_THAT(recorder.refused, IsEmpty());
  EXPECT_THAT(
      std::string(ChooseDevice("cuda:1", CUDA_ON_HOST_MODULES "/right.so", recorder.events()).status().message()),
      HasSubstr("--device cuda:1: there are 1 devices"));
}

TEST(Device, AWrongKernelIsReportedAndTheRestUsed) {
  Recorder recorder;
  const auto device = ChooseDevice("cuda", CUDA_ON_HOST_MODULES "/int4_reciprocal.so", recorder.events());
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_EQ(recorder.refused, (std::vector<std::string>{"search groupwise_int4", "encode groupwise_int4"}));
}

#endif

}  // namespace
}  // namespace sub1quant
