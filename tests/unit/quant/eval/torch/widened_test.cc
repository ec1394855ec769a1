// bfloat16 where the processor has no fast products of it: matrices stay bfloat16 in memory and are multiplied widened.
#include <gtest/gtest.h>

#include <numeric>

#include "quant/eval/torch/window_run.h"
#include "tests/unit/quant/eval/torch/model_files.h"

namespace sub1quant {
namespace {

double MeanLoss(at::ScalarType product) {
  InitializeTorch();
  const auto source = OpenModelDirectory(TinyModelDirectory()).value();
  const Gemma4Config config = ParseGemma4Config(ReadModelFile(*source, "config.json", 1 << 20).value()).value();
  const MatrixTypes types = {at::kCPU, at::kBFloat16, product};
  const auto weights = Gemma4Weights::Load(*source, config, {}, types, 0, 1).value();
  const auto operations = NewCpuOperations(at::kBFloat16);
  std::vector<WindowWork> windows(2);
  const std::vector<int32_t> tokens = TinyTokens();
  for (size_t i = 0; i < windows.size(); ++i) {
    windows[i].ids.assign(tokens.begin() + static_cast<int64_t>(i) * 512,
                          tokens.begin() + static_cast<int64_t>(i + 1) * 512);
    windows[i].embedded = windows[i].ids;
    windows[i].targets = 511;
  }
  MatrixBuffers buffers;
  WindowRun run(config, *weights, *operations, 1, buffers, [](int64_t) { return absl::OkStatus(); });
  EXPECT_TRUE(run.Run(windows, Observer()).ok());
  double sum = 0;
  for (const WindowWork& window : windows) sum = std::accumulate(window.losses.begin(), window.losses.end(), sum);
  return sum / 1022;
}

TEST(Widened, LossesAreThoseOfNativeProducts) {
  const double native = MeanLoss(at::kBFloat16), widened = MeanLoss(at::kFloat);
  EXPECT_NEAR(widened, native, 2e-3);
  EXPECT_NE(widened, 0);
}

}  // namespace
}  // namespace sub1quant
