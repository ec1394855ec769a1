// The choice between device and CPU, devices that fail, and matrices that are read for a device.
#include "quant/device/matrix_coder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "quant/codec/hunting_weights.h"
#include "quant/device/matrix_rows.h"
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
  absl::StatusOr<std::vector<CandidateRow>> Search(const MatrixView&, int, const std::vector<std::string>&,
                                                   int) override {
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

// A matrix [12, 300] in BF16 that is read; `fails_at`: the row from which on nothing can be read.
class FailingRows final : public RowReader {
 public:
  FailingRows(const WeightMatrix& matrix, int64_t fails_at, absl::Status why)
      : matrix_(matrix), fails_at_(fails_at), why_(std::move(why)) {}
  absl::Status Read(int64_t first, int64_t count, void* out) override {
    if (first + count > fails_at_) return why_;
    const int64_t row_bytes = 2 * matrix_.cols;
    std::memcpy(out, matrix_.bytes.data() + first * row_bytes, static_cast<size_t>(count * row_bytes));
    return absl::OkStatus();
  }
  MatrixView view() { return {nullptr, matrix_.dtype, matrix_.rows, matrix_.cols, this}; }

 private:
  const WeightMatrix& matrix_;
  const int64_t fails_at_;
  const absl::Status why_;
};

TEST_F(DeviceCoder, ReadsAMatrixThatIsNotInMemory) {
  const auto coder = NewDeviceCoder(OpenHostDevice(), Trust({"groupwise_int4", "int2_base"}), recorder_.events());
  FailingRows rows(matrix_, matrix_.rows, absl::OkStatus());
  EXPECT_EQ(coder->Search(rows.view(), 128, {"groupwise_int4", "int2_base"}, 3).value(),
            SearchMatrix(matrix_.view(), 128, {"groupwise_int4", "int2_base"}, 1).value());
  const EncodedMatrix encoded = coder->Encode(rows.view(), "int2_base", {.threads = 3}).value();
  EXPECT_EQ(encoded.arrays[0].bytes, FindCodec("int2_base")->Encode(matrix_.view(), {})->arrays[0].bytes);
}

// A file that ends early or a server that is away is neither a lost device nor a wrong kernel, whatever its code, and
// nothing of the blocks that were under way may come into the next call.
TEST_F(DeviceCoder, AMatrixThatCannotBeReadSaysSoItself) {
  const uint64_t two_rows = 2048;
  const auto coder = NewDeviceCoder(OpenHostDevice("right", two_rows), Trust({"groupwise_int4"}), recorder_.events());
  for (const absl::Status& why :
       {absl::UnavailableError("the server is away"), absl::OutOfRangeError("the file ends")}) {
    for (const int64_t fails_at : {0, 2, 4, 7}) {
      FailingRows rows(matrix_, fails_at, why);
      EXPECT_EQ(coder->Search(rows.view(), 128, {"groupwise_int4"}, 1).status(), why);
      EXPECT_EQ(coder->Encode(rows.view(), "groupwise_int4", {}).status(), why);
      ExpectAsCpu(*coder, {"groupwise_int4"});
    }
  }
  EXPECT_THAT(recorder_.lost, IsEmpty());
  EXPECT_THAT(recorder_.refused, IsEmpty());
}

// What stays under way when nobody waits for it adds to the next call's sums.
TEST_F(DeviceCoder, WorkThatNobodyWaitsForShows) {
  const auto device = OpenHostDevice("pipeline_undrained", 2048);
  FailingRows rows(matrix_, 4, absl::OutOfRangeError("the file ends"));
  EXPECT_TRUE(absl::IsAborted(device->Search(rows.view(), 128, {"groupwise_int4"}).status()));
  EXPECT_NE(device->Search(matrix_.view(), 128, {"groupwise_int4"}).value(),
            SearchMatrix(matrix_.view(), 128, {"groupwise_int4"}, 1).value());
}

TEST(MatrixRows, ManyThreadsReadEachRowOnce) {
  const WeightMatrix matrix = WeightSource(4).Matrix(DType::kBF16, 6001, 400, 128);  // 4.8 MB
  FailingRows rows(matrix, matrix.rows, absl::OkStatus());
  for (const MatrixView& view : {matrix.view(), rows.view()}) {
    for (const int threads : {1, 3, 7}) {
      std::vector<uint8_t> out(matrix.bytes.size() + 1, 0x55);
      MatrixRows source(view, threads);
      ASSERT_TRUE(source.Read(0, 4001, out.data()));
      ASSERT_TRUE(source.Read(4001, 2000, out.data() + int64_t{4001} * 800));
      EXPECT_EQ(std::memcmp(out.data(), matrix.bytes.data(), matrix.bytes.size()), 0) << threads;
      EXPECT_EQ(out.back(), 0x55);
    }
  }
}

}  // namespace
}  // namespace sub1quant
