// Kernels, run on the CPU, against the scalar codecs: the same bytes, the same sums, the same dense values.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/support/weight_inputs.h"
#include "tests/unit/quant/device/host_device.h"

namespace sub1quant {
namespace {

using testing::LargestAbsmax;
using testing::OddShapes;
using testing::OpenHostDevice;
using testing::WeightsUpTo;

// Not the fastest of this CPU: a kernel that shares its mistake would agree.
const Implementation& Scalar() { return *Implementations().back(); }

const std::vector<std::string>& KernelMethods() {
  static const std::vector<std::string> methods = {"groupwise_int4",
                                                   "int2_base",
                                                   "int2_binary_residual",
                                                   "int2_error_budget_k4",
                                                   "int2_error_budget_k8",
                                                   "int2_error_budget_k3",
                                                   "int2",
                                                   "int3",
                                                   "int4",
                                                   "int5",
                                                   "int6",
                                                   "int8"};
  return methods;
}

class Kernels : public ::testing::TestWithParam<std::tuple<int, DType>> {
 protected:
  int group_size() const { return std::get<0>(GetParam()); }
  DType dtype() const { return std::get<1>(GetParam()); }

  template <typename Body>
  void ForEachMatrix(const Body& body) {
    for (uint32_t seed = 1; const auto& [rows, cols] : OddShapes(group_size())) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", [" + std::to_string(rows) + ", " + std::to_string(cols) + "]");
      body(WeightSource(seed++).Matrix(dtype(), rows, cols, group_size()));
    }
  }

  std::unique_ptr<KernelDevice> device_ = OpenHostDevice();
};

TEST_P(Kernels, SearchGivesTheSumsOfTheScalarCode) {
  ForEachMatrix([&](const WeightMatrix& matrix) {
    const auto want = SearchMatrix(matrix.view(), group_size(), KernelMethods(), 1, Scalar());
    const auto got = device_->Search(matrix.view(), group_size(), KernelMethods());
    ASSERT_TRUE(want.ok()) << want.status();
    ASSERT_TRUE(got.ok()) << got.status();
    for (size_t i = 0; i < want->size(); ++i) {
      EXPECT_EQ((*got)[i].error.ToHex(), (*want)[i].error.ToHex()) << (*want)[i].method;
      EXPECT_EQ((*got)[i], (*want)[i]);
    }
  });
}

// What jobs ask for: fewer formats than the kernels have places for, each other ones.
TEST_P(Kernels, SearchOfSomeFormats) {
  const WeightMatrix matrix = WeightSource(97).Matrix(dtype(), 9, 3 * group_size() + 2, group_size());
  const std::vector<std::vector<std::string>> requests = {
      PublishedMethods(), IntegerMethods(), {"int2_base"}, {"int2_binary_residual", "int2_error_budget_k8"}};
  for (const std::vector<std::string>& methods : requests) {
    const auto got = device_->Search(matrix.view(), group_size(), methods);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(*got, SearchMatrix(matrix.view(), group_size(), methods, 1, Scalar()).value()) << methods.front();
  }
}

TEST_P(Kernels, EncodeGivesTheBytesOfTheScalarCode) {
  ForEachMatrix([&](const WeightMatrix& matrix) {
    for (const std::string& method : KernelMethods()) {
      const EncodeOptions options{.group_size = group_size(), .implementation = &Scalar()};
      const auto want = FindCodec(method)->Encode(matrix.view(), options);
      const auto got = device_->Encode(matrix.view(), method, options);
      ASSERT_TRUE(want.ok()) << want.status();
      ASSERT_TRUE(got.ok()) << got.status();
      EXPECT_EQ(got->error.ToHex(), want->error.ToHex()) << method;
      ASSERT_EQ(got->arrays.size(), want->arrays.size());
      for (size_t i = 0; i < want->arrays.size(); ++i)
        EXPECT_EQ(got->arrays[i].bytes, want->arrays[i].bytes) << method << " " << want->arrays[i].name;
    }
  });
}

TEST_P(Kernels, DecodeGivesTheValuesOfTheScalarCode) {
  ForEachMatrix([&](const WeightMatrix& matrix) {
    for (const std::string& method : KernelMethods()) {
      const auto encoded = FindCodec(method)->Encode(matrix.view(), {.group_size = group_size()});
      std::vector<float> want(static_cast<size_t>(matrix.size())), got(want.size(), -1.0f);
      std::vector<uint16_t> rounded(want.size(), 1);
      ASSERT_EQ(FindCodec(method)->Decode(*encoded, 0, matrix.rows, want.data()), absl::OkStatus());
      ASSERT_EQ(device_->Decode(*encoded, DType::kF32, got.data()), absl::OkStatus());
      ASSERT_EQ(device_->Decode(*encoded, DType::kBF16, rounded.data()), absl::OkStatus());
      EXPECT_EQ(std::memcmp(got.data(), want.data(), 4 * want.size()), 0) << method;
      for (size_t i = 0; i < want.size(); ++i) ASSERT_EQ(rounded[i], Bf16Bits(want[i])) << method << " " << i;
    }
  });
}

// Every K that has a kernel.
TEST_P(Kernels, AllNumbersOfCorrections) {
  const WeightMatrix matrix = WeightSource(99).Matrix(dtype(), 7, 3 * group_size() + 5, group_size());
  for (int k = 1; k <= kMaxKernelCorrections; ++k) {
    const std::string method = "int2_error_budget_k" + std::to_string(k);
    const EncodeOptions options{.group_size = group_size(), .implementation = &Scalar()};
    const auto want = FindCodec(method)->Encode(matrix.view(), options);
    const auto got = device_->Encode(matrix.view(), method, options);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->error, want->error) << method;
    for (size_t i = 0; i < want->arrays.size(); ++i)
      EXPECT_EQ(got->arrays[i].bytes, want->arrays[i].bytes) << method << " " << want->arrays[i].name;
    EXPECT_EQ(device_->Search(matrix.view(), group_size(), {method})->front().error, want->error) << method;
  }
}

TEST_P(Kernels, BaseKeepsIgnoredArrays) {
  const WeightMatrix matrix = WeightSource(98).Matrix(dtype(), 5, 2 * group_size() + 1, group_size());
  const EncodeOptions options{.group_size = group_size(), .keep_ignored_arrays = true, .implementation = &Scalar()};
  const auto want = FindCodec("int2_base")->Encode(matrix.view(), options);
  const auto got = device_->Encode(matrix.view(), "int2_base", options);
  ASSERT_TRUE(got.ok()) << got.status();
  ASSERT_EQ(got->arrays.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(got->arrays[i].bytes, want->arrays[i].bytes) << want->arrays[i].name;
}

INSTANTIATE_TEST_SUITE_P(All, Kernels,
                         ::testing::Combine(::testing::Values(32, 64, 128, 256),
                                            ::testing::Values(DType::kBF16, DType::kF16, DType::kF32)),
                         [](const auto& info) {
                           return DTypeName(std::get<1>(info.param)) + "_g" + std::to_string(std::get<0>(info.param));
                         });

TEST(KernelRefusals, TheFirstBadGroupIsNamed) {
  const auto device = OpenHostDevice();
  WeightMatrix matrix = WeightSource(7).Matrix(DType::kF32, 40, 300, 128);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity(), 1e30f}) {
    WeightMatrix spoilt = matrix;
    for (const int64_t at : {39 * 300 + 17, 21 * 300 + 299, 21 * 300 + 130}) spoilt.Set(at, bad);
    for (const std::string& method : KernelMethods()) {
      const absl::Status want = absl::OutOfRangeError("the device refuses group 64");  // row 21, group 1 of 3
      EXPECT_EQ(device->Search(spoilt.view(), 128, {method}).status(), want);
      EXPECT_EQ(device->Encode(spoilt.view(), method, {}).status(), want);
    }
  }
}

// As far as the scales of each method reach; one unit further one of them would be infinite.
TEST(KernelRefusals, TheBorderOfEachMethod) {
  const auto device = OpenHostDevice();
  for (const std::string& method : KernelMethods()) {
    SCOPED_TRACE(method);
    const float largest = LargestAbsmax(method);
    const WeightMatrix matrix = WeightsUpTo(largest, 64);
    const auto want = FindCodec(method)->Encode(matrix.view(), {.group_size = 64});
    const auto got = device->Encode(matrix.view(), method, {.group_size = 64});
    ASSERT_TRUE(want.ok()) << want.status();
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->error, want->error);
    for (size_t i = 0; i < want->arrays.size(); ++i)
      EXPECT_EQ(got->arrays[i].bytes, want->arrays[i].bytes) << want->arrays[i].name;
    EXPECT_EQ(device->Search(matrix.view(), 64, {method})->front().error, want->error);
    const WeightMatrix above = WeightsUpTo(std::nextafter(largest, 1e9f), 64);
    const absl::Status refused = absl::OutOfRangeError("the device refuses group 4");
    EXPECT_EQ(device->Encode(above.view(), method, {.group_size = 64}).status(), refused);
    EXPECT_EQ(device->Search(above.view(), 64, {method}).status(), refused);
  }
}

TEST(KernelRefusals, ScalesThatAreNotFinite) {
  const auto device = OpenHostDevice();
  const WeightMatrix matrix = WeightSource(8).Matrix(DType::kBF16, 9, 256, 128);
  std::vector<float> out(static_cast<size_t>(matrix.size()));
  for (const std::string& method : KernelMethods()) {
    const auto encoded = FindCodec(method)->Encode(matrix.view(), {});
    for (size_t i = 0; i < encoded->arrays.size(); ++i) {
      if (encoded->arrays[i].dtype != DType::kF16) continue;
      EncodedMatrix spoilt = *encoded;
      spoilt.arrays[i].bytes[2 * 11 + 1] = 0x7c;
      EXPECT_EQ(device->Decode(spoilt, DType::kF32, out.data()), absl::OutOfRangeError("the device refuses group 11"))
          << method << " " << encoded->arrays[i].name;
    }
  }
}

TEST(KernelRefusals, CorrectionsOutsideTheGroup) {
  const auto device = OpenHostDevice();
  const WeightMatrix matrix = WeightSource(11).Matrix(DType::kBF16, 9, 128, 64);
  std::vector<float> out(static_cast<size_t>(matrix.size()));
  const auto encoded = FindCodec("int2_error_budget_k4")->Encode(matrix.view(), {.group_size = 64});
  const auto spoil = [&](const std::string& array, size_t index, uint8_t value) {
    EncodedMatrix spoilt = *encoded;
    for (EncodedArray& one : spoilt.arrays)
      if (one.name == array) one.bytes.at(index) = value;
    return device->Decode(spoilt, DType::kF32, out.data());
  };
  EXPECT_EQ(spoil("outlier_indices", 4 * 5 + 3, 63), absl::OkStatus());
  EXPECT_EQ(spoil("outlier_indices", 4 * 5 + 3, 64), absl::OutOfRangeError("the device refuses group 5"));
  EXPECT_EQ(spoil("outlier_counts", 17, 3), absl::OkStatus());
  EXPECT_EQ(spoil("outlier_counts", 17, 5), absl::OutOfRangeError("the device refuses group 17"));
}

TEST(KernelRefusals, RowsThatFitNoBuffer) {
  const auto device = OpenHostDevice();
  const WeightMatrix matrix = WeightSource(9).Matrix(DType::kF32, 2, 8192, 128);
  EXPECT_EQ(device->Search(matrix.view(), 128, KernelMethods()).status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(device->Encode(matrix.view(), "groupwise_int4", {}).status().code(), absl::StatusCode::kUnimplemented);
}

TEST(KernelRefusals, WhatNoKernelTakes) {
  const auto device = OpenHostDevice();
  const WeightMatrix matrix = WeightSource(10).Matrix(DType::kF32, 2, 128, 128);
  EXPECT_EQ(device->Search(matrix.view(), 128, {"int2_error_budget_k9"}).status().code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(
      device
          ->Search(matrix.view(), 128,
                   {"int2_error_budget_k1", "int2_error_budget_k2", "int2_error_budget_k3", "int2_error_budget_k4"})
          .status()
          .code(),
      absl::StatusCode::kUnimplemented);
  EXPECT_EQ(device->Search(matrix.view(), 96, KernelMethods()).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(device->Search({matrix.bytes.data(), DType::kF64, 1, 128}, 128, KernelMethods()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sub1quant
