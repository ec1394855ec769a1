// The self-proof of a device.
#include "quant/device/prove_kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "quant/codec/hunting_weights.h"
#include "tests/unit/quant/device/host_device.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;
using testing::OpenHostDevice;
using testing::PlantedFailure;

TEST(ProveKernels, RightOnesAreTrusted) {
  const auto device = OpenHostDevice("right", 1 << 20);
  const auto trust = ProveKernels(*device, ProvenMethods());
  ASSERT_TRUE(trust.ok()) << trust.status();
  for (const KernelRefusal& refusal : trust->refused) ADD_FAILURE() << refusal.operation << " " << refusal.why;
  EXPECT_EQ(trust->search.size(), 11u);
  EXPECT_EQ(trust->encode, trust->search);
  EXPECT_EQ(trust->decode, trust->search);
}

TEST(ProveKernels, WrongOnesAreRefusedByName) {
  const auto device = OpenHostDevice("int4_next_code", 1 << 20);
  const auto trust = ProveKernels(*device, {"groupwise_int4", "int2_base"});
  ASSERT_TRUE(trust.ok()) << trust.status();
  ASSERT_EQ(trust->refused.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(trust->refused[i].operation, i == 0 ? "search" : "encode");
    EXPECT_EQ(trust->refused[i].method, "groupwise_int4");
    EXPECT_THAT(trust->refused[i].why, HasSubstr(i == 0 ? "error sum 0x" : "the error sum differs"));
  }
  EXPECT_EQ(trust->search, std::set<std::string>{"int2_base"});
  EXPECT_EQ(trust->encode, std::set<std::string>{"int2_base"});
  EXPECT_EQ(trust->decode.size(), 2u);
}

// A job asks for several formats at once, and they share a kernel.
TEST(ProveKernels, AFormatThatIsWrongBesideOthersIsRefused) {
  const auto device = OpenHostDevice("int4_base_over_it", 1 << 20);
  EXPECT_EQ(ProveKernels(*device, {"groupwise_int4"})->search.size(), 1u);
  const auto trust = ProveKernels(*device, {"groupwise_int4", "int2_base"});
  ASSERT_TRUE(trust.ok()) << trust.status();
  ASSERT_EQ(trust->refused.size(), 1u);
  EXPECT_EQ(trust->refused[0].operation + " " + trust->refused[0].method, "search groupwise_int4");
  EXPECT_EQ(trust->search, std::set<std::string>{"int2_base"});
}

// Only codes are wrong, and only on ties.
TEST(ProveKernels, AWrongEncoderIsRefusedBesideItsSearch) {
  const auto device = OpenHostDevice("int4_reciprocal", 1 << 20);
  const auto trust = ProveKernels(*device, {"groupwise_int4"});
  ASSERT_TRUE(trust.ok()) << trust.status();
  ASSERT_EQ(trust->refused.size(), 1u);
  EXPECT_EQ(trust->refused[0].operation + " " + trust->refused[0].method, "encode groupwise_int4");
  EXPECT_THAT(trust->refused[0].why, HasSubstr("array '"));
  EXPECT_EQ(trust->search.size(), 1u);
}

TEST(ProveKernels, ADeviceThatFailsOnTheWay) {
  const auto device = OpenHostDevice();
  const PlantedFailure failure(40);
  const absl::Status status = ProveKernels(*device, {"groupwise_int4"}).status();
  EXPECT_TRUE(IsDeviceLost(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("cudaErrorLaunchFailure"));
}

TEST(DeviceLibrary, WhatCannotBeOpened) {
  EXPECT_EQ(DeviceLibrary::Load("/nonexistent.so").status().code(), absl::StatusCode::kNotFound);
  const auto library = DeviceLibrary::Load(testing::ModulePath("right")).value();
  EXPECT_EQ(library.CountDevices().value(), 1);
  EXPECT_EQ(library.Open(1).status().code(), absl::StatusCode::kFailedPrecondition);
  for (int64_t calls = 0; calls < 12; ++calls) {  // at every step of opening
    const PlantedFailure failure(calls);
    EXPECT_EQ(library.Open(0).status().code(), absl::StatusCode::kFailedPrecondition) << calls;
  }
}

}  // namespace
}  // namespace sub1quant
