// The self-proof of a device, the choice between device and CPU, and devices that fail.
#include "quant/device/prove_kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "quant/codec/hunting_weights.h"
#include "quant/device/matrix_coder.h"
#include "tests/unit/quant/device/host_device.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::OpenHostDevice;
using testing::PlantedFailure;

// What happened to a coder's device.
struct Recorder {
  std::vector<std::string> refused, lost;
  DeviceEvents events() {
    return {[this](const KernelRefusal& refusal) { refused.push_back(refusal.operation + " " + refusal.method); },
            [this](const std::string& why) { lost.push_back(why); }};
  }
};

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

class DeviceCoder : public ::testing::Test {
 protected:
  static KernelTrust Trust(std::vector<std::string> methods) {
    KernelTrust trust;
    trust.search = trust.encode = {methods.begin(), methods.end()};
    return trust;
  }
  void ExpectAsCpu(MatrixCoder& coder, const std::vector<std::string>& methods) {
    const auto want = SearchMatrix(matrix_.view(), 128, methods, 1);
    const auto got = coder.Search(matrix_.view(), 128, methods, 1);
    ASSERT_EQ(got.status(), want.status());
    if (want.ok()) {
      EXPECT_EQ(*got, *want);
    }
    for (const std::string& method : methods) {
      const auto want_encoded = FindCodec(method)->Encode(matrix_.view(), {});
      const auto encoded = coder.Encode(matrix_.view(), method, {});
      ASSERT_EQ(encoded.status(), want_encoded.status());
      if (!encoded.ok()) continue;
      for (size_t i = 0; i < encoded->arrays.size(); ++i)
        EXPECT_EQ(encoded->arrays[i].bytes, want_encoded->arrays[i].bytes) << method;
    }
  }

  WeightMatrix matrix_ = WeightSource(5).Matrix(DType::kBF16, 12, 300, 128);
  Recorder recorder_;
};

TEST_F(DeviceCoder, TakesTheCpuForWhatTheDeviceDoesNot) {
  const auto coder =
      NewDeviceCoder(OpenHostDevice(), Trust({"groupwise_int4", "int2_error_budget_k4"}), recorder_.events());
  ExpectAsCpu(*coder, {"int2_base", "int2_error_budget_k4", "int2_error_budget_k9", "groupwise_int4", "int3"});
  ExpectAsCpu(*coder, {"int2_base"});
  EXPECT_THAT(recorder_.refused, IsEmpty());
}

// What the CPU found is kept for the encoder, in the order of the methods.
TEST_F(DeviceCoder, KeepsTheChoicesOfTheCpu) {
  const auto coder = NewDeviceCoder(OpenHostDevice(), Trust({"groupwise_int4"}), recorder_.events());
  std::vector<KeptChoices> kept, want;
  ASSERT_TRUE(coder->Search(matrix_.view(), 128, {"groupwise_int4", "int3", "int2_base"}, 1, &kept).ok());
  ASSERT_TRUE(SearchMatrix(matrix_.view(), 128, {"int3", "int2_base"}, 1, BestImplementation(), &want).ok());
  ASSERT_EQ(kept.size(), 3u);
  EXPECT_TRUE(kept[0].bytes.empty());
  EXPECT_EQ(kept[1].bytes, want[0].bytes);
  EXPECT_EQ(kept[2].bytes, want[1].bytes);
  EXPECT_FALSE(kept[1].bytes.empty());
}

// An untrusted kernel is not asked: this one would give other bytes.
TEST_F(DeviceCoder, DoesNotAskAnUntrustedKernel) {
  matrix_ = WeightSource(1).Matrix(DType::kF32, 40, 500, 128);
  const auto coder = NewDeviceCoder(OpenHostDevice("int4_reciprocal"), Trust({"int2_base"}), recorder_.events());
  ExpectAsCpu(*coder, {"groupwise_int4", "int2_base"});
}

TEST_F(DeviceCoder, TheCpuSaysWhyAGroupIsRefused) {
  matrix_ = WeightSource(6).Matrix(DType::kF32, 12, 300, 128);
  matrix_.Set(7 * 300 + 131, std::numeric_limits<float>::quiet_NaN());
  const auto coder = NewDeviceCoder(OpenHostDevice(), Trust({"groupwise_int4"}), recorder_.events());
  ExpectAsCpu(*coder, {"groupwise_int4"});
  EXPECT_THAT(std::string(coder->Encode(matrix_.view(), "groupwise_int4", {}).status().message()),
              HasSubstr("NaN at row 7, column 131"));
  EXPECT_THAT(recorder_.refused, IsEmpty());
}

// Refuses what the CPU takes.
class Contrary final : public KernelDevice {
 public:
  explicit Contrary(int* asked) : asked_(asked) {}
  DeviceFacts facts() const override { return {}; }
  absl::StatusOr<std::vector<CandidateRow>> Search(const MatrixView&, int, const std::vector<std::string>&) override {
    ++*asked_;
    return absl::OutOfRangeError("the device refuses group 0");
  }
  absl::StatusOr<EncodedMatrix> Encode(const MatrixView&, const std::string&, const EncodeOptions&) override {
    ++*asked_;
    return absl::OutOfRangeError("the device refuses group 0");
  }
  absl::Status Decode(const EncodedMatrix&, DType, void*) override { return absl::OkStatus(); }
  const ScoreLaunches& score() const override { std::abort(); }

 private:
  int* asked_;
};

TEST_F(DeviceCoder, AKernelThatContradictsTheCpuIsNotAskedAgain) {
  int asked = 0;
  const auto coder = NewDeviceCoder(std::make_unique<Contrary>(&asked), Trust({"groupwise_int4"}), recorder_.events());
  for (int round = 0; round < 3; ++round) ExpectAsCpu(*coder, {"groupwise_int4"});
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(recorder_.refused, (std::vector<std::string>{"search groupwise_int4", "encode groupwise_int4"}));
}

TEST_F(DeviceCoder, ALostDeviceIsToldAtOnce) {
  const auto coder = NewDeviceCoder(OpenHostDevice(), Trust({"groupwise_int4"}), recorder_.events());
  for (int64_t calls = 0; calls < 9; ++calls) {  // at every step of a call
    const PlantedFailure failure(calls);
    EXPECT_FALSE(coder->Search(matrix_.view(), 128, {"groupwise_int4"}, 1).ok()) << calls;
    EXPECT_FALSE(coder->Encode(matrix_.view(), "groupwise_int4", {}).ok()) << calls;
  }
  EXPECT_EQ(recorder_.lost.size(), 18u);
  EXPECT_THAT(recorder_.lost.front(), HasSubstr("device lost: "));
  EXPECT_THAT(recorder_.refused, IsEmpty());
}

}  // namespace
}  // namespace sub1quant
