// The search of one matrix, as ratios within one run: arms interleaved, medians, random BF16 weights.
//
//   B1        five published formats, one thread, against a 512-bit min/sub loop of the same process (G vector
//             operations/s)
//   B1-int4   groupwise_int4 alone, the same way
//   B1-avx2   the AVX2 kernels against the AVX-512 ones, five formats; `loop`: operations of the 512-bit loop to one of
//             256 bits
//   B2        two threads against one; `loop`: the same of the 512-bit loop, what two of these threads can be
//   B20, B21  int4 alone and all six integer widths, as B1
//
// Output: one JSON object a line: name, ratio, goal, better, ours, other, unit, repeats; of some `loop`.
#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "core/check.h"
#include "core/json.h"
#include "core/parallel.h"
#include "quant/search/search.h"

namespace sub1quant {
namespace {

constexpr int64_t kRows = 12288, kCols = 1536;  // E2B's largest
constexpr int kRepeats = 15;

std::vector<uint16_t> RandomWeights(uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<uint16_t> weights(kRows * kCols);
  for (uint16_t& weight : weights) {
    const float value = normal(generator);
    uint32_t bits = 0;
    static_assert(sizeof(bits) == sizeof(value));
    std::memcpy(&bits, &value, sizeof(bits));
    weight = static_cast<uint16_t>(bits >> 16);
  }
  return weights;
}

constexpr int64_t kSteps = 20'000'000;

// Eight independent chains of min and subtract: what two vector ports can issue. Operations a second; needs AVX-512.
__attribute__((target("avx512f"))) double VectorOperations() {
  __m512 chains[8];
  for (int i = 0; i < 8; ++i) chains[i] = _mm512_set1_ps(1.0f + static_cast<float>(i));
  const __m512 step = _mm512_set1_ps(0.5f), limit = _mm512_set1_ps(1e6f);
  // No lambda: one would not inherit the target.
  const auto start = std::chrono::steady_clock::now();
  for (int64_t n = 0; n < kSteps; ++n) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) chains[i] = _mm512_sub_ps(_mm512_min_ps(chains[i], limit), step);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  float sum = 0;
  for (const __m512& chain : chains) sum += _mm512_reduce_add_ps(chain);
  SUB1QUANT_CHECK(sum < 0);  // keeps the loop
  return 16.0 * kSteps / seconds;
}

// The same with vectors of 256 bits; needs AVX2.
__attribute__((target("avx2"))) double NarrowOperations() {
  __m256 chains[8];
  for (int i = 0; i < 8; ++i) chains[i] = _mm256_set1_ps(1.0f + static_cast<float>(i));
  const __m256 step = _mm256_set1_ps(0.5f), limit = _mm256_set1_ps(1e6f);
  const auto start = std::chrono::steady_clock::now();
  for (int64_t n = 0; n < kSteps; ++n) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) chains[i] = _mm256_sub_ps(_mm256_min_ps(chains[i], limit), step);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  float sum = 0;
  for (const __m256& chain : chains) sum += _mm256_cvtss_f32(chain);
  SUB1QUANT_CHECK(sum < 0);  // keeps the loop
  return 16.0 * kSteps / seconds;
}

// Of all threads together.
double VectorOperationsOf(int threads) {
  std::vector<double> rates(static_cast<size_t>(threads));
  SUB1QUANT_CHECK(ParallelFor(threads, threads, [&](int64_t i) {
                    rates[static_cast<size_t>(i)] = VectorOperations();
                    return absl::OkStatus();
                  }).ok());
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

double WeightsPerSecond(const std::vector<uint16_t>& weights, const std::vector<std::string>& methods, int threads,
                        const Implementation& implementation = BestImplementation()) {
  const MatrixView matrix{weights.data(), DType::kBF16, static_cast<int64_t>(weights.size()) / kCols, kCols};
  return static_cast<double>(weights.size()) /
         Measure([&] { SUB1QUANT_CHECK(SearchMatrix(matrix, 128, methods, threads, implementation).ok()); }).seconds;
}

void Print(const std::string& name, double ours, double other, const std::string& unit, double ratio, double goal,
           const Json& more = Json::object()) {
  Json json{{"name", name}, {"ratio", ratio}, {"goal", goal}, {"better", "higher"},
            {"ours", ours}, {"other", other}, {"unit", unit}, {"repeats", kRepeats}};
  json.update(more);
  std::printf("%s\n", json.dump().c_str());
}

// The goal is stated at 5.2 G vector operations/s: the ratio is to that share of this machine's own rate.
void AgainstVectorLoop(const std::string& name, const std::vector<std::string>& methods, double goal_at_5200) {
  if (!__builtin_cpu_supports("avx512f")) {
    std::fprintf(stderr, "%s: this machine has no 512-bit vectors\n", name.c_str());
    return;
  }
  const std::vector<uint16_t> weights = RandomWeights(1);
  std::vector<double> ours, loop;
  for (int i = 0; i < kRepeats; ++i) {
    ours.push_back(WeightsPerSecond(weights, methods, 1) / 1e9);
    loop.push_back(VectorOperations() / 1e9);
  }
  const double rate = Median(ours), operations = Median(loop);
  Print(name, rate, operations, "Gweights/s, G 512-bit operations/s", rate / operations, goal_at_5200 / 5.2);
}

const Implementation* Find(const std::string& name) {
  for (const Implementation* implementation : Implementations())
    if (implementation->name == name && implementation->supported()) return implementation;
  return nullptr;
}

// The goal depends on the CPU: 0.45 where it issues two vectors of either width a cycle, 0.75 where it splits the wide
// ones, which the two loops tell.
void Avx2AgainstAvx512() {
  const Implementation *narrow = Find("avx2"), *wide = Find("avx512");
  if (narrow == nullptr || wide == nullptr) {
    std::fprintf(stderr, "B1-avx2: this machine has not both\n");
    return;
  }
  const std::vector<uint16_t> weights = RandomWeights(3);
  std::vector<double> ours, other, loops;
  for (int i = 0; i < kRepeats; ++i) {
    ours.push_back(WeightsPerSecond(weights, PublishedMethods(), 1, *narrow) / 1e9);
    other.push_back(WeightsPerSecond(weights, PublishedMethods(), 1, *wide) / 1e9);
    loops.push_back(VectorOperations() / NarrowOperations());
  }
  const double goal = Median(loops) > 0.75 ? 0.45 : 0.75;
  Print("B1-avx2", Median(ours), Median(other), "Gweights/s", Median(ours) / Median(other), goal,
        {{"loop", Median(loops)}});
}

void TwoThreads() {
  if (AvailableThreads() < 2) {
    std::fprintf(stderr, "B2: this process may use one core only\n");
    return;
  }
  // Four times as large: 12 ms would leave the start of a thread visible.
  std::vector<uint16_t> weights = RandomWeights(2);
  weights.reserve(4 * weights.size());
  for (int i = 0; i < 2; ++i) weights.insert(weights.end(), weights.begin(), weights.end());
  const bool has_loop = __builtin_cpu_supports("avx512f");
  std::vector<double> two, one, loops;
  for (int i = 0; i < kRepeats; ++i) {
    two.push_back(WeightsPerSecond(weights, PublishedMethods(), 2) / 1e9);
    one.push_back(WeightsPerSecond(weights, PublishedMethods(), 1) / 1e9);
    if (has_loop) loops.push_back(VectorOperationsOf(2) / VectorOperations());
  }
  Print("B2", Median(two), Median(one), "Gweights/s", Median(two) / Median(one), 1.8,
        has_loop ? Json{{"loop", Median(loops)}} : Json::object());
}

}  // namespace
}  // namespace sub1quant

int main(int argc, char** argv) {
  const std::vector<std::string> wanted(argv + 1, argv + argc);
  const auto runs = [&](const std::string& name) {
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  };
  if (runs("B1")) sub1quant::AgainstVectorLoop("B1", sub1quant::PublishedMethods(), 0.2);
  if (runs("B1-int4")) sub1quant::AgainstVectorLoop("B1-int4", {"groupwise_int4"}, 0.75);
  if (runs("B1-avx2")) sub1quant::Avx2AgainstAvx512();
  if (runs("B2")) sub1quant::TwoThreads();
  if (runs("B20")) sub1quant::AgainstVectorLoop("B20", {"int4"}, 0.12);
  if (runs("B21")) sub1quant::AgainstVectorLoop("B21", sub1quant::IntegerMethods(), 0.025);
}
