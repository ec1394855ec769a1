#include "worker/device.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;

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

// This module has a device that takes no matrix: what is tested is the way to the kernels. The proof itself, of right
// and of wrong ones, is tested in quant/device.
constexpr char kModule[] = CUDA_ON_HOST_MODULES "/door_takes_nothing.so";

TEST(Device, AModuleWithADeviceIsTakenAndEveryKernelProven) {
  for (const char* option : {"auto", "cuda", "cuda:0"}) {
    Recorder recorder;
    const auto device = ChooseDevice(option, kModule, recorder.events());
    ASSERT_TRUE(device.ok()) << device.status();
    EXPECT_EQ(device->description, "cuda:0 (CUDA on host)");
    EXPECT_EQ(device->torch_name, "cuda:0");
    EXPECT_NE(device->launches, nullptr);
    std::vector<std::string> all;
    for (const char* operation : {"search ", "encode ", "decode "})
      for (const std::string& method : ProvenMethods()) all.push_back(operation + method);
    EXPECT_THAT(recorder.refused, UnorderedElementsAreArray(all));
  }
}

TEST(Device, ADeviceThatIsNotThereIsRefusedByNumber) {
  Recorder recorder;
  EXPECT_THAT(std::string(ChooseDevice("cuda:1", kModule, recorder.events()).status().message()),
              HasSubstr("--device cuda:1: there are 1 devices"));
  EXPECT_THAT(recorder.refused, IsEmpty());
}

#endif

}  // namespace
}  // namespace sub1quant
