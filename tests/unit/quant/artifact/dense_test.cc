#include "quant/artifact/dense.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "core/digest.h"
#include "core/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "packed_model.h"
#include "temporary_directory.h"

namespace sub1quant {
namespace {

const char kTiny[] = SUB1QUANT_TESTDATA "/gemma4-tiny";
const char kGolden[] = SUB1QUANT_TESTDATA "/gemma4-tiny-golden/quantized_weights.json";

class DenseTest : public ::testing::TestWithParam<std::string> {
 protected:
  TemporaryDirectory temporary_;
  std::unique_ptr<ModelSource> model_ = OpenModelDirectory(kTiny).value();
  std::unique_ptr<BlobStore> blobs_ = OpenBlobDirectory(temporary_.File("blobs")).value();
};

// The golden hashes come from another encoder, so this covers encoder, blob, decoder and rounding in one.
TEST_P(DenseTest, MatricesHaveTheGoldenHashesAndEverythingElseIsTheModels) {
  const std::string method = GetParam();
  PackedModel packed = PackModel(*model_, "gemma4-tiny", [&](size_t) { return method; }).value();
  ASSERT_TRUE(StoreBlobs(packed, *blobs_).ok());
  const std::string directory = temporary_.File("dense");
  const absl::Status status = ExportDense(packed.manifest, *blobs_, *model_, directory);
  ASSERT_TRUE(status.ok()) << status;

  const auto exported = OpenModelDirectory(directory).value();
  const TensorInventory before = ReadInventory(*model_).value(), after = ReadInventory(*exported).value();
  ASSERT_EQ(before.tensors, after.tensors);
  const Json golden = ParseJson(ReadFile(kGolden).value()).value();
  std::map<std::string, std::string> hashes;
  for (const auto& matrix : golden["detail"].items()) hashes[matrix.key()] = matrix.value()[method]["bf16_sha256"];
  ASSERT_EQ(hashes.size(), 64u);
  for (const TensorRecord& record : after.tensors) {
    std::string a(record.bytes, '\0'), b(record.bytes, '\0');
    ASSERT_TRUE(exported->Read(record.file, record.offset, a.data(), a.size()).ok());
    ASSERT_TRUE(model_->Read(record.file, record.offset, b.data(), b.size()).ok());
    if (hashes.count(record.key) == 0) {
      EXPECT_TRUE(a == b) << record.key;
      continue;
    }
    // The golden codes were still float32, so a negative weight with code 0 is -0 there; stored codes know +0 only.
    const bool only_base = method == "groupwise_int4" || method == "int2_base";
    for (size_t i = 0; only_base && i < a.size(); i += 2)
      if (a[i] == 0 && a[i + 1] == 0) a[i + 1] = static_cast<char>(b[i + 1] & 0x80);
    EXPECT_EQ(Sha256Hex(a), hashes[record.key]) << record.key;
  }
  const auto names = ListDirectory(kTiny).value();
  EXPECT_EQ(ListDirectory(directory).value(), names);
  for (const std::string& name : names) {
    if (name == "model.safetensors") continue;
    EXPECT_EQ(ReadFile(directory + "/" + name).value(), ReadFile(std::string(kTiny) + "/" + name).value()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, DenseTest, ::testing::Values("groupwise_int4", "int2_base", "int2_error_budget_k4"),
                         [](const auto& info) { return info.param; });

class DenseFailureTest : public DenseTest {};

TEST_F(DenseFailureTest, NothingIsLeftBehind) {
  PackedModel packed = PackModel(*model_, "gemma4-tiny", [](size_t) { return "groupwise_int4"; }).value();
  ASSERT_TRUE(StoreBlobs(packed, *blobs_).ok());
  ASSERT_TRUE(blobs_->Delete(packed.manifest.tensors[40].blob_sha256).ok());
  const absl::Status missing = ExportDense(packed.manifest, *blobs_, *model_, temporary_.File("dense"));
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), ::testing::HasSubstr(packed.manifest.tensors[40].key));

  Manifest other = packed.manifest;
  other.tensors[3].cols += 1;
  EXPECT_EQ(ExportDense(other, *blobs_, *model_, temporary_.File("dense")).code(),
            absl::StatusCode::kFailedPrecondition);
  other = packed.manifest;
  other.tensors[3].key = "absent.weight";
  EXPECT_EQ(ExportDense(other, *blobs_, *model_, temporary_.File("dense")).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(ListDirectory(temporary_.path()).value(), ::testing::ElementsAre("blobs"));

  ASSERT_TRUE(MakeDirectories(temporary_.File("full/x")).ok());
  EXPECT_EQ(ExportDense(packed.manifest, *blobs_, *model_, temporary_.File("full")).code(),
            absl::StatusCode::kAlreadyExists);
}

float FloatOf(uint32_t bits) { return std::bit_cast<float>(bits); }

// Value of a half by its definition.
double HalfValue(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const double mantissa = bits & 1023;
  const double value = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return bits & 0x8000 ? -value : value;
}

uint16_t Round(float value, DType dtype) {
  uint16_t out = 0;
  RoundToDType(&value, 1, dtype, &out);
  return out;
}

// Every half, and the midpoint to its neighbour with one float unit on either side.
TEST(RoundToDType, HalvesToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = static_cast<float>(HalfValue(half));
    ASSERT_EQ(Round(value, DType::kF16), half);
    ASSERT_EQ(Round(-value, DType::kF16), half | 0x8000);
    const double next = bits + 1 == 0x7c00 ? 65536 : HalfValue(static_cast<uint16_t>(bits + 1));
    const float middle = static_cast<float>((HalfValue(half) + next) / 2);
    ASSERT_EQ(Round(middle, DType::kF16), half + (half & 1)) << bits;
    ASSERT_EQ(Round(std::nextafter(middle, 0.0f), DType::kF16), half) << bits;
    ASSERT_EQ(Round(std::nextafter(middle, 1e9f), DType::kF16), half + 1) << bits;
  }
  EXPECT_EQ(Round(FloatOf(0x7f800000), DType::kF16), 0x7c00);
  EXPECT_EQ(Round(3e38f, DType::kF16), 0x7c00);
  EXPECT_EQ(Round(FloatOf(1), DType::kF16), 0);
  EXPECT_EQ(Round(FloatOf(0x7f800001), DType::kF16) & 0x7fff, 0x7e00);
}

TEST(RoundToDType, BFloat16ToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7f80; bits += 7) {
    const uint32_t wide = bits << 16;
    ASSERT_EQ(Round(FloatOf(wide), DType::kBF16), bits);
    ASSERT_EQ(Round(FloatOf(wide | 0x7fff), DType::kBF16), bits);
    ASSERT_EQ(Round(FloatOf(wide | 0x8000), DType::kBF16), bits + (bits & 1));
    ASSERT_EQ(Round(FloatOf(wide | 0x8001), DType::kBF16), bits + 1);
  }
  EXPECT_EQ(Round(FloatOf(0xff800000), DType::kBF16), 0xff80);
  const uint16_t nan = Round(FloatOf(0x7f800001), DType::kBF16);
  EXPECT_GT(nan & 0x7fff, 0x7f80);
  float same = 0;
  const float value = 1.25f;
  RoundToDType(&value, 1, DType::kF32, &same);
  EXPECT_EQ(same, value);
}

}  // namespace
}  // namespace sub1quant
