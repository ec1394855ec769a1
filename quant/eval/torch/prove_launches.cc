#include "quant/eval/torch/prove_launches.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <functional>
#include <limits>

#include "absl/strings/str_cat.h"
#include "quant/eval/torch/guard.h"
#include "quant/eval/torch/operations.h"

namespace sub1quant {
namespace {

constexpr double kFloatTolerance = 4e-6, kBfloat16Unit = 1.0 / 128;
// Of bfloat16 values: those that two units of float32 carry over a tie are far fewer.
constexpr double kUnequal = 0.02;
// More rows than a small device has blocks; widths below, at and above the threads of a block.
constexpr int64_t kRows = 37, kWidths[] = {40, 256, 1536};
constexpr int64_t kVocabulary = 1500, kTile = 700;
constexpr double kCap = 30, kEps = 1e-6;

using Step = std::function<at::Tensor(const Operations&, const at::Device&)>;

class Prover {
 public:
  Prover(const ScoreLaunches& launches, const at::Device& device, at::ScalarType dtype)
      : device_(device), dtype_(dtype), ours_(NewDeviceOperations(launches, dtype)) {}

  std::vector<ScoreKernelRefusal> Run() {
    for (const int64_t width : kWidths) Prove(width);
    ProveRope();
    for (const std::optional<double> cap : {std::optional<double>(kCap), std::optional<double>()}) ProveLosses(cap);
    return std::move(refused_);
  }

 private:
  at::Tensor Random(const std::vector<int64_t>& shape, double scale) {
    return at::randn(shape, generator_, at::TensorOptions(at::kFloat)).mul_(scale).to(dtype_);
  }

  void Prove(int64_t width) {
    at::Tensor x = Random({kRows, width}, 2), y = Random({kRows, width}, 3), wide = Random({kRows, 2 * width}, 2);
    const at::Tensor weight = Random({width}, 1).to(at::kFloat), nan_weight = weight.clone();
    // As a device makes it: rounding by adding to the bits would wrap it to a zero.
    static_cast<uint32_t*>(nan_weight.data_ptr())[width / 3] = 0x7fffffffu;
    y.select(0, 5).select(0, width / 2).fill_(std::numeric_limits<double>::quiet_NaN());
    Compare("rms_norm", 4, [&](const Operations& operations, const at::Device& device) {
      return operations.RmsNorm(y.to(device), nan_weight.to(device), kEps);
    });
    Compare("rms_norm", 4, [&](const Operations& operations, const at::Device& device) {
      return operations.RmsNorm(y.to(device), at::Tensor(), kEps);
    });
    Compare("add_rms_norm", 4, [&](const Operations& operations, const at::Device& device) {
      return operations.AddRmsNorm(x.to(device, dtype_, false, /*copy=*/true), y.to(device), weight.to(device), kEps,
                                   0.34);
    });
    Compare("gated_gelu", 4, [&](const Operations& operations, const at::Device& device) {
      return operations.GatedGelu(x.to(device, dtype_, false, /*copy=*/true),
                                  wide.to(device).narrow(1, width / 3, width));
    });
  }

  // Two windows of several heads; half a head at, below and above the threads of a block.
  void ProveRope() {
    for (const int64_t half : {20, 128, 256}) {
      const at::Tensor x = Random({2, kRows, 3, 2 * half}, 2), angles = Random({kRows, half}, 3).to(at::kFloat);
      const at::Tensor cos = angles.cos().to(dtype_), sin = angles.sin().to(dtype_);
      Compare("rope", 4, [&](const Operations& operations, const at::Device& device) {
        return operations.Rope(x.to(device, dtype_, false, /*copy=*/true), {cos.to(device), sin.to(device)});
      });
    }
  }

  // Labels at both ends of each tile; a maximum in the first tile, and in the last; a row with a NaN.
  void ProveLosses(std::optional<double> cap) {
    at::Tensor logits = Random({6, kVocabulary}, 12);
    logits.select(0, 2).select(0, 3).fill_(300);
    logits.select(0, 3).select(0, kVocabulary - 1).fill_(70);
    logits.select(0, 4).narrow(0, 0, kTile).fill_(-std::numeric_limits<double>::infinity());
    logits.select(0, 5).select(0, kTile).fill_(std::numeric_limits<double>::quiet_NaN());
    const at::Tensor labels = at::tensor({int64_t{0}, kTile - 1, kTile, 2 * kTile - 1, kVocabulary - 1, int64_t{9}});
    Compare("fold_logits", 60, [&](const Operations& operations, const at::Device& device) {
      const std::unique_ptr<LossRows> rows = operations.NewLossRows(labels.to(device), cap);
      for (int64_t begin = 0; begin < kVocabulary; begin += kTile) {
        rows->Fold(logits.narrow(1, begin, std::min(kTile, kVocabulary - begin)).contiguous().to(device), begin);
      }
      return rows->Finish();
    });
  }

  // `scale`: of the values that are added, of whose last places a sum's error is made.
  void Compare(const std::string& kernel, double scale, const Step& step) {
    const at::Tensor want = step(*torch_, at::kCPU), got = step(*ours_, device_).cpu();
    const bool rounded = want.scalar_type() == at::kBFloat16;
    // A tanh off by a unit may carry a capped logit over a tie of bfloat16, and the loss with it.
    const double tolerance = dtype_ == at::kBFloat16 ? kBfloat16Unit : kFloatTolerance;
    const at::Tensor a = got.to(at::kFloat), b = want.to(at::kFloat);
    const double unequal =
        a.ne(b).logical_and_(a.isnan().logical_and_(b.isnan()).logical_not_()).to(at::kFloat).mean().item().toDouble();
    if (at::allclose(a, b, tolerance, tolerance * scale, /*equal_nan=*/true) && (!rounded || unequal <= kUnequal))
      return;
    refused_.push_back({absl::StrCat(kernel, dtype_ == at::kFloat ? "_float32" : "_bfloat16"),
                        absl::StrCat("rows of ", want.size(-1), ": differs from LibTorch on the CPU by up to ",
                                     a.sub(b).abs_().nan_to_num_(0).max().item().toDouble(), ", in ", 100 * unequal,
                                     " % of the values")});
  }

  const at::Device device_;
  const at::ScalarType dtype_;
  const std::unique_ptr<const Operations> ours_, torch_ = NewTorchOperations();
  at::Generator generator_ = at::make_generator<at::CPUGeneratorImpl>(20260101);
  std::vector<ScoreKernelRefusal> refused_;
};

}  // namespace

absl::StatusOr<std::vector<ScoreKernelRefusal>> ProveScoreLaunches(const ScoreLaunches& launches,
                                                                   const std::string& device) {
  return GuardTorch([&]() -> absl::StatusOr<std::vector<ScoreKernelRefusal>> {
    const c10::InferenceMode inference;
    std::vector<ScoreKernelRefusal> refused;
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      std::vector<ScoreKernelRefusal> of_type = Prover(launches, at::Device(device), dtype).Run();
      refused.insert(refused.end(), of_type.begin(), of_type.end());
    }
    return refused;
  });
}

}  // namespace sub1quant
