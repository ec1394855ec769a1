// Scoring on a device against its own matrix products there. Run by scripts/bench.sh gpu; prints one JSON object a
// figure, as score_bench does.
//
//   B10       all windows in one call of Scorer::Score; other arm: the same products on the device, nothing between
//   B13       LM head of one batch: products in tiles, each folded; other arm: the products. With the peak of memory
//   B14-once  one process from its start: loads the model, scores the windows, says what that took (cold_job.py)
//
// With --device cpu and a module of tests/support/cuda_on_host the same code runs without a GPU; its times mean
// nothing.
#include <ATen/DeviceAccelerator.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "bench/measure.h"
#include "bench/quant/eval/products.h"
#include "core/check.h"
#include "core/json.h"
#include "core/parallel.h"
#include "core/status.h"
#include "quant/device/device.h"
#include "quant/eval/aggregate.h"
#include "quant/eval/torch/linear.h"
#include "quant/eval/torch/operations.h"
#include "quant/eval/torch/scorer.h"
#include "quant/model/gemma4_config.h"
#include "worker/device.h"

namespace sub1quant {
namespace {

constexpr int64_t kWindow = 512;
// As device_run.cc has it.
constexpr int64_t kTile = 4096;

struct Options {
  std::string model, device = "cuda:0", dtype = "bfloat16", module = DeviceModulePath();
  int64_t windows = 64, batch_rows = ScorerOptions().batch_rows;
  int repeats = 5;
  std::vector<std::string> names;
};

class DeviceBench {
 public:
  static absl::StatusOr<std::unique_ptr<DeviceBench>> Open(const Options& options) {
    std::unique_ptr<DeviceBench> bench(new DeviceBench(options));
    SUB1QUANT_ASSIGN_OR_RETURN(const DeviceLibrary library, DeviceLibrary::Load(options.module));
    SUB1QUANT_ASSIGN_OR_RETURN(bench->kernels_, library.Open(std::max<int>(0, bench->device_.index())));
    std::fprintf(stderr, "device: %s\n", bench->kernels_->facts().name);
    if (!bench->device_.is_cpu()) SUB1QUANT_RETURN_IF_ERROR(OpenTorchDevice(options.device).status());
    SUB1QUANT_ASSIGN_OR_RETURN(bench->model_, OpenModelDirectory(options.model));
    SUB1QUANT_ASSIGN_OR_RETURN(const std::string text, ReadModelFile(*bench->model_, "config.json", 1 << 24));
    SUB1QUANT_ASSIGN_OR_RETURN(bench->config_, ParseGemma4Config(text));
    return bench;
  }

  absl::Status Run(const std::string& name) {
    if (name == "B10") return Warm();
    if (name == "B13") return Head();
    if (name == "B14-once") return Once();
    return absl::InvalidArgumentError("names are B10, B13, B14-once, not " + name);
  }

 private:
  explicit DeviceBench(const Options& options) : options_(options), device_(options.device) {}

  at::TensorOptions tensor_options() const {
    return at::TensorOptions().device(device_).dtype(options_.dtype == "float32" ? at::kFloat : at::kBFloat16);
  }

  // Seconds until the device has done it.
  double Time(const std::function<void()>& work) const {
    Wait();
    const auto start = std::chrono::steady_clock::now();
    work();
    Wait();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  void Wait() const {
    if (!device_.is_cpu()) at::accelerator::synchronizeDevice(device_.index());
  }

  // Both arms in turn, once before to warm them; prints how near ours is to the other.
  void Compare(const std::string& name, double goal, const std::function<void()>& ours,
               const std::function<void()>& other, Json facts) const {
    std::vector<double> mine, floor;
    for (int repeat = 0; repeat <= options_.repeats; ++repeat) {
      const double a = Time(ours), b = Time(other);
      if (repeat == 0 && options_.repeats > 1) continue;
      mine.push_back(a);
      floor.push_back(b);
    }
    facts.update({{"name", name},
                  {"ratio", Median(floor) / Median(mine)},
                  {"goal", goal},
                  {"better", "higher"},
                  {"ours", Median(mine)},
                  {"other", Median(floor)},
                  {"unit", "s"},
                  {"repeats", options_.repeats},
                  {"dtype", options_.dtype}});
    std::printf("%s\n", facts.dump().c_str());
    std::fflush(stdout);
  }

  absl::StatusOr<std::unique_ptr<Scorer>> Load() {
    return Scorer::Load(*model_, {},
                        {.dtype = options_.dtype,
                         .device = options_.device,
                         .threads = AvailableThreads(),
                         .launches = &kernels_->score(),
                         .batch_rows = options_.batch_rows});
  }
  std::vector<Window> Windows() const { return PlanPublished(options_.windows * kWindow, kWindow, kWindow, 0).value(); }

  absl::Status Warm() {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<Scorer> scorer, Load());
    const std::vector<int32_t> tokens = RandomTokens(options_.windows * kWindow, config_.vocab_size);
    const std::vector<Window> windows = Windows();
    const ProductsAlone products(config_, options_.batch_rows, kTile, tensor_options());
    const int64_t slots = std::max<int64_t>(1, options_.batch_rows / kWindow);
    const int64_t batches = (options_.windows + slots - 1) / slots;
    absl::Status status;
    Compare(
        "B10", 0.8, [&] { status.Update(scorer->Score(tokens, windows, 0, nullptr).status()); },
        [&] {
          for (int64_t batch = 0; batch < batches; ++batch) products.Run();
        },
        {{"windows", options_.windows}, {"tokens", options_.windows * kWindow}});
    return status;
  }

  absl::Status Head() {
    const c10::InferenceMode inference;
    const std::unique_ptr<Operations> operations =
        NewDeviceOperations(kernels_->score(), c10::typeMetaToScalarType(tensor_options().dtype()));
    const at::Tensor hidden = at::randn({options_.batch_rows, config_.hidden_size}, tensor_options());
    const at::Tensor head = at::randn({config_.vocab_size, config_.hidden_size}, tensor_options()).mul_(0.02);
    const at::Tensor labels =
        at::full({options_.batch_rows}, config_.vocab_size / 2, tensor_options().dtype(at::kLong));
    const auto tiles = [&](const std::function<void(const at::Tensor&, int64_t)>& use) {
      for (int64_t first = 0; first < config_.vocab_size; first += kTile) {
        use(Linear(hidden, head.narrow(0, first, std::min(kTile, config_.vocab_size - first))), first);
      }
    };
    const auto fold = [&] {
      const std::unique_ptr<LossRows> rows = operations->NewLossRows(labels, config_.final_logit_softcapping);
      tiles([&](const at::Tensor& logits, int64_t first) { rows->Fold(logits, first); });
      return rows->Finish();
    };
    Json facts{{"rows", options_.batch_rows}, {"vocabulary", config_.vocab_size}};
    if (!device_.is_cpu()) facts["peak_mib"] = ExtraMebibytes(fold);
    Compare(
        "B13", 0.88, fold, [&] { tiles([](const at::Tensor&, int64_t) {}); }, std::move(facts));
    return absl::OkStatus();
  }

  // How far LibTorch's memory rises above what was there.
  double ExtraMebibytes(const std::function<void()>& work) const {
    work();
    Wait();
    at::accelerator::resetPeakStats(device_.index());
    const int64_t before = at::accelerator::getDeviceStats(device_.index()).allocated_bytes[0].current;
    work();
    Wait();
    const int64_t peak = at::accelerator::getDeviceStats(device_.index()).allocated_bytes[0].peak;
    return static_cast<double>(peak - before) / (1 << 20);
  }

  absl::Status Once() {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<Scorer> scorer, Load());
    const std::vector<int32_t> tokens = RandomTokens(options_.windows * kWindow, config_.vocab_size);
    SUB1QUANT_ASSIGN_OR_RETURN(const auto scores, scorer->Score(tokens, Windows(), 0, nullptr));
    SUB1QUANT_ASSIGN_OR_RETURN(const ProtocolScore result, AggregatePublished(scores));
    const Json json{{"perplexity", result.perplexity}, {"windows", options_.windows}, {"device", scorer->device()}};
    std::printf("%s\n", json.dump().c_str());
    return absl::OkStatus();
  }

  const Options options_;
  const at::Device device_;
  std::unique_ptr<KernelDevice> kernels_;
  std::unique_ptr<ModelSource> model_;
  Gemma4Config config_;
};

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Scoring on a device against its matrix products alone.");
  app.add_option("--model", options.model, "directory; make-model writes one")->required();
  app.add_option("--device", options.device, "as LibTorch names it")->capture_default_str();
  app.add_option("--module", options.module, "the device module")->capture_default_str();
  app.add_option("--dtype", options.dtype)->check(CLI::IsMember({"bfloat16", "float32"}))->capture_default_str();
  app.add_option("--windows", options.windows, "of 512 tokens")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--batch-rows", options.batch_rows)->check(CLI::Range(512, 65536))->capture_default_str();
  app.add_option("--repeats", options.repeats)->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("names", options.names, "B10, B13 (both without a name), B14-once");
  CLI11_PARSE(app, argc, argv);
  if (options.names.empty()) options.names = {"B10", "B13"};
  InitializeTorch();
  auto bench = DeviceBench::Open(options);
  absl::Status status = bench.status();
  for (size_t i = 0; i < options.names.size() && status.ok(); ++i) status = (*bench)->Run(options.names[i]);
  if (status.ok()) return 0;
  std::fprintf(stderr, "score_device_bench: %s\n", std::string(status.message()).c_str());
  return 3;
}

}  // namespace
}  // namespace sub1quant

int main(int argc, char** argv) { return sub1quant::Main(argc, argv); }
