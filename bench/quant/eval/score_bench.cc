// Scoring on the CPU against its own matrix multiplies: the same products on the same threads, without anything
// between.
//
//   B22-1, B22-2  all windows in one call of Scorer::Score, one and two threads
//   B24           peak memory of a process that does only that, with --dtype and --memory; only if named
//
// Output: one JSON object a line: name, ratio (ours / alone, wall time), cpu_ratio (the same in processor time: what a
// machine with other work can still tell), goal, better, ours, other, unit, repeats.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "bench/measure.h"
#include "bench/quant/eval/products.h"
#include "core/check.h"
#include "core/json.h"
#include "core/parallel.h"
#include "quant/eval/torch/scorer.h"
#include "quant/model/gemma4_config.h"

namespace sub1quant {
namespace {

constexpr int64_t kWindow = 512;

// The products of `windows` windows, one window a thread.
void RunProducts(const ProductsAlone& products, int threads, int64_t windows) {
  SUB1QUANT_CHECK(ParallelFor(threads, windows, [&](int64_t) {
                    at::init_num_threads();
                    products.Run();
                    return absl::OkStatus();
                  }).ok());
}

int Run(const std::string& directory, int64_t count, int repeats, const std::vector<std::string>& names) {
  InitializeTorch();
  const auto model = OpenModelDirectory(directory);
  SUB1QUANT_CHECK(model.ok());
  const Gemma4Config config = ParseGemma4Config(ReadModelFile(**model, "config.json", 1 << 24).value()).value();
  const std::vector<int32_t> tokens = RandomTokens(count * kWindow, config.vocab_size);
  const std::vector<Window> windows = PlanPublished(count * kWindow, kWindow, kWindow, 0).value();
  const ProductsAlone products(config, kWindow, /*tile=*/2048, at::kFloat);
  for (const int threads : {1, 2}) {
    const std::string name = "B22-" + std::to_string(threads);
    if (!names.empty() && std::find(names.begin(), names.end(), name) == names.end()) continue;
    if (AvailableThreads() < threads) continue;
    const auto scorer = Scorer::Load(**model, {}, {.dtype = "float32", .threads = threads}).value();
    std::vector<double> ratios, cpu_ratios, ours, alone;
    for (int repeat = 0; repeat <= repeats; ++repeat) {
      const Spent score = Measure([&] { SUB1QUANT_CHECK(scorer->Score(tokens, windows, 0, nullptr).ok()); });
      const Spent multiply = Measure([&] { RunProducts(products, threads, count); });
      if (repeat == 0) continue;  // warms both
      ratios.push_back(score.seconds / multiply.seconds);
      cpu_ratios.push_back(score.processor_seconds / multiply.processor_seconds);
      ours.push_back(score.seconds);
      alone.push_back(multiply.seconds);
    }
    const Json json{{"name", name},      {"ratio", Median(ratios)}, {"cpu_ratio", Median(cpu_ratios)}, {"goal", 1.1},
                    {"better", "lower"}, {"ours", Median(ours)},    {"other", Median(alone)},          {"unit", "s"},
                    {"repeats", repeats}};
    std::printf("%s\n", json.dump().c_str());
    std::fflush(stdout);
  }
  return 0;
}

int RunMemory(const std::string& directory, int64_t count, const std::string& dtype, uint64_t memory) {
  InitializeTorch();
  const auto model = OpenModelDirectory(directory);
  SUB1QUANT_CHECK(model.ok());
  const Gemma4Config config = ParseGemma4Config(ReadModelFile(**model, "config.json", 1 << 24).value()).value();
  const std::vector<int32_t> tokens = RandomTokens(count * kWindow, config.vocab_size);
  const std::vector<Window> windows = PlanPublished(count * kWindow, kWindow, kWindow, 0).value();
  const int threads = AvailableThreads();
  const auto scorer = Scorer::Load(**model, {}, {.dtype = dtype, .threads = threads, .memory_bytes = memory}).value();
  const Spent seconds = Measure([&] { SUB1QUANT_CHECK(scorer->Score(tokens, windows, 0, nullptr).ok()); });
  const double peak = PeakGibibytes(), goal = scorer->in_memory() ? 6 : 3;
  const std::string name = scorer->in_memory() ? "B24-" + dtype : "B24-" + dtype + "-layers";
  const Json json{{"name", name},
                  {"ratio", peak / goal},
                  {"goal", 1.0},
                  {"better", "lower"},
                  {"ours", peak},
                  {"other", goal},
                  {"unit", "GiB"},
                  {"repeats", 1},
                  {"seconds", seconds.seconds},
                  {"windows", count},
                  {"device", scorer->device()}};
  std::printf("%s\n", json.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace sub1quant

int main(int argc, char** argv) {
  std::string model;
  int64_t windows = 4;
  int repeats = 3;
  std::string dtype = "bfloat16";
  uint64_t memory = 0;
  std::vector<std::string> names;
  CLI::App app("Scoring on the CPU against its matrix multiplies alone.");
  app.add_option("--model", model, "directory; make-model writes one")->required();
  app.add_option("--windows", windows, "of 512 tokens")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--repeats", repeats, "after one that is not counted")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--dtype", dtype, "of B24")->capture_default_str();
  app.add_option("--memory", memory, "of B24: what scoring may take; 0: no limit")->transform(CLI::AsSizeValue(false));
  app.add_option("names", names, "B22-1, B22-2 (both without a name), B24");
  CLI11_PARSE(app, argc, argv);
  if (names == std::vector<std::string>{"B24"}) return sub1quant::RunMemory(model, windows, dtype, memory);
  return sub1quant::Run(model, windows, repeats, names);
}
