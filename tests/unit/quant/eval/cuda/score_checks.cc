#include "tests/unit/quant/eval/cuda/score_checks.h"

#include <dlfcn.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/check.h"
#include "tests/unit/quant/eval/cuda/score_oracle.h"

namespace sub1quant::testing {
namespace {

constexpr size_t kMaxMistakes = 5;
constexpr float kEps = 1e-6f;
const std::vector<int64_t> kOddTiles = {33, 1, 300, 128, 31};

template <typename T>
std::vector<T> Random(int64_t count, double spread, uint32_t seed) {
  std::mt19937 bits(seed);
  std::normal_distribution<double> normal(0, spread);
  std::vector<T> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(Stored<T>(normal(bits)));
  return values;
}

void Expect(const std::string& what, double got, const Interval& want, Mistakes* mistakes) {
  if (want.Holds(got) || mistakes->size() >= kMaxMistakes) return;
  mistakes->push_back(absl::StrFormat("%s: %.9g is not in [%.9g, %.9g]", what, got, want.low, want.high));
}

// run(first, rows, blocks) gives `rows` rows of `width` from row `first` on. Every row must be the same bits with any
// number of blocks, and alone. Returns all rows.
template <typename Run>
auto AlikeInAnyBatch(const std::string& what, int64_t rows, int64_t width, const Run& run, Mistakes* mistakes) {
  const auto all = run(0, rows, 1);
  const size_t bytes = sizeof(all[0]) * static_cast<size_t>(width);
  bool alike = true;
  for (const unsigned blocks : {2u, static_cast<unsigned>(rows) + 3})
    alike = alike && std::memcmp(run(0, rows, blocks).data(), all.data(), bytes * static_cast<size_t>(rows)) == 0;
  for (int64_t row = 0; row < rows; ++row)
    alike = alike && std::memcmp(run(row, 1, 1).data(), &all[static_cast<size_t>(row * width)], bytes) == 0;
  if (!alike) mistakes->push_back(what + ": a row depends on its batch");
  return all;
}

template <typename T>
std::vector<T> Slice(const std::vector<T>& values, int64_t first, int64_t count) {
  return {values.begin() + first, values.begin() + first + count};
}

template <typename T>
void CheckNormsOf(const ScoreDoor& door, int64_t rows, int64_t width, const float* weight, float factor,
                  Mistakes* mistakes) {
  const std::string what = absl::StrCat(rows, " rows of ", width);
  const auto seed = static_cast<uint32_t>(rows * 10000 + width);
  const std::vector<T> x = Random<T>(rows * width, 2, seed), y = Random<T>(rows * width, 30, seed + 1);
  const auto norm = [&](int64_t first, int64_t count, unsigned blocks) {
    std::vector<T> out(static_cast<size_t>(count * width));
    door.of<T>().rms_norm(blocks, &y[static_cast<size_t>(first * width)], weight, kEps, count, width, out.data());
    return out;
  };
  const auto add = [&](int64_t first, int64_t count, unsigned blocks) {
    std::vector<T> out = Slice(x, first * width, count * width);
    door.of<T>().add_rms_norm(blocks, out.data(), &y[static_cast<size_t>(first * width)], weight, kEps, factor, count,
                              width);
    return out;
  };
  const std::vector<T> normed = AlikeInAnyBatch("norm of " + what, rows, width, norm, mistakes);
  const std::vector<T> added = AlikeInAnyBatch("added norm of " + what, rows, width, add, mistakes);
  for (int64_t row = 0; row < rows; ++row) {
    const std::vector<Interval> want = RmsNormOf(&y[static_cast<size_t>(row * width)], weight, kEps, width);
    for (int64_t i = 0; i < width; ++i) {
      const auto at = static_cast<size_t>(row * width + i);
      Expect("norm of " + what, Value(normed[at]), want[static_cast<size_t>(i)], mistakes);
      Expect("added norm of " + what, Value(added[at]), AddedNorm(x[at], want[static_cast<size_t>(i)], factor),
             mistakes);
    }
  }
}

// `gap` elements lie between the rows of `up`, as beside one layer's slice.
template <typename T>
void CheckGatedGeluOf(const ScoreDoor& door, int64_t rows, int64_t width, int64_t gap, double spread,
                      Mistakes* mistakes) {
  const std::string what = absl::StrCat("gated gelu of ", rows, " rows of ", width, ", ", gap, " apart");
  const auto seed = static_cast<uint32_t>(rows * 10000 + width);
  const int64_t stride = width + gap;
  const std::vector<T> gate = Random<T>(rows * width, spread, seed), up = Random<T>(rows * stride, 2, seed + 1);
  const auto run = [&](int64_t first, int64_t count, unsigned blocks) {
    std::vector<T> out = Slice(gate, first * width, count * width);
    door.of<T>().gated_gelu(blocks, out.data(), &up[static_cast<size_t>(first * stride)], stride, count, width);
    return out;
  };
  const std::vector<T> got = AlikeInAnyBatch(what, rows, width, run, mistakes);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < width; ++i) {
      const auto at = static_cast<size_t>(row * width + i), beside = static_cast<size_t>(row * stride + i);
      Expect(what, Value(got[at]), GatedGeluOf(gate[at], up[beside]), mistakes);
    }
}

// Logits of some rows, [rows, vocabulary], and the widths of the tiles they are folded in.
template <typename T>
struct Vocabulary {
  std::vector<int64_t> tiles;
  int64_t size;
  std::vector<T> logits;
  std::vector<int64_t> labels;

  std::vector<float> Losses(const ScoreDoor& door, int64_t first, int64_t rows, unsigned blocks, float cap) const {
    std::vector<RunningLogSum> sums(static_cast<size_t>(rows));
    door.begin_log_sums(blocks, &labels[static_cast<size_t>(first)], rows, sums.data());
    int64_t begin = 0;
    for (const int64_t count : tiles) {
      std::vector<T> tile;
      for (int64_t row = first; row < first + rows; ++row) {
        const std::vector<T> part = Slice(logits, row * size + begin, count);
        tile.insert(tile.end(), part.begin(), part.end());
      }
      door.of<T>().fold_logits(blocks, tile.data(), rows, count, begin, cap, sums.data());
      begin += count;
    }
    std::vector<float> losses(static_cast<size_t>(rows));
    door.losses(blocks, sums.data(), rows, losses.data());
    return losses;
  }
};

// Rows: plain logits with the label at both ends of every tile, then four that are hard.
template <typename T>
Vocabulary<T> MakeVocabulary(const std::vector<int64_t>& tiles) {
  Vocabulary<T> vocabulary{tiles, 0, {}, {}};
  for (const int64_t count : tiles) {
    vocabulary.labels.push_back(vocabulary.size);
    vocabulary.size += count;
    vocabulary.labels.push_back(vocabulary.size - 1);
  }
  const int64_t size = vocabulary.size, unlikely = size / 2 / 3 * 3 + 1, only = 7, late = size - 13;
  const auto plain = static_cast<int64_t>(vocabulary.labels.size());
  vocabulary.labels.insert(vocabulary.labels.end(), {unlikely, only, late, size / 2});
  vocabulary.logits = Random<T>((plain + 4) * size, 6, 7);
  T* row = &vocabulary.logits[static_cast<size_t>(plain * size)];
  for (int64_t i = 0; i < size; ++i) {
    row[i] = Stored<T>(i % 3 == 0 ? 1e4 : -1e4);
    row[size + i] = Stored<T>(i == only ? 1e4 : -1e4);
    row[2 * size + i] = Stored<T>(static_cast<double>(i));  // each tile far above the last one
    if (i < tiles.front()) row[3 * size + i] = Stored<T>(-std::numeric_limits<double>::infinity());
  }
  return vocabulary;
}

template <typename T>
void CheckLossesOf(const ScoreDoor& door, const Vocabulary<T>& vocabulary, float cap, Mistakes* mistakes) {
  const auto rows = static_cast<int64_t>(vocabulary.labels.size());
  const auto tiles = static_cast<int64_t>(vocabulary.tiles.size());
  const int64_t widest = *std::max_element(vocabulary.tiles.begin(), vocabulary.tiles.end());
  const auto run = [&](int64_t first, int64_t count, unsigned blocks) {
    return vocabulary.Losses(door, first, count, blocks, cap);
  };
  const std::vector<float> got = AlikeInAnyBatch("losses", rows, 1, run, mistakes);
  for (int64_t row = 0; row < rows; ++row)
    Expect(absl::StrCat("loss of row ", row, " of ", vocabulary.size, " logits with cap ", cap),
           got[static_cast<size_t>(row)],
           LossOf(&vocabulary.logits[static_cast<size_t>(row * vocabulary.size)], vocabulary.size,
                  vocabulary.labels[static_cast<size_t>(row)], cap, tiles, widest),
           mistakes);
}

}  // namespace

const ScoreDoor& OpenScoreDoor(const std::string& module) {
  void* library = dlopen(absl::StrCat(CUDA_ON_HOST_MODULES, "/", module, ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
  SUB1QUANT_CHECK(library != nullptr);
  void* symbol = dlsym(library, kScoreDoorSymbol);
  SUB1QUANT_CHECK(symbol != nullptr);
  return *reinterpret_cast<ScoreDoorEntry>(symbol)();
}

template <typename T>
Mistakes CheckNorms(const ScoreDoor& door) {
  Mistakes mistakes;
  for (const int64_t width : {1, 31, 256, 1536})
    for (const int64_t rows : {1, 3, 17}) {
      const std::vector<float> weight = Random<float>(width, 5, 99);
      CheckNormsOf<T>(door, rows, width, weight.data(), rows == 3 ? 0.34f : 1.0f, &mistakes);
      CheckNormsOf<T>(door, rows, width, nullptr, 1.0f, &mistakes);
    }
  return mistakes;
}

template <typename T>
Mistakes CheckGatedGelu(const ScoreDoor& door) {
  Mistakes mistakes;
  for (const int64_t width : {1, 31, 256, 1536})
    for (const int64_t rows : {1, 3, 17})
      for (const double spread : {3.0, 1e4})
        CheckGatedGeluOf<T>(door, rows, width, rows % 3 * width, spread, &mistakes);
  return mistakes;
}

// Exact: each step is one operation, rounded once more by the storing.
template <typename T>
Mistakes CheckRope(const ScoreDoor& door) {
  Mistakes mistakes;
  constexpr int64_t kHeads = 3, kPositions = 5, kWindows = 2, kRows = kWindows * kPositions * kHeads;
  for (const int64_t half : {1, 20, 128, 200}) {
    const std::string what = absl::StrCat("rope of half a head of ", half);
    const auto seed = static_cast<uint32_t>(half);
    const std::vector<T> x = Random<T>(kRows * 2 * half, 2, seed), cos = Random<T>(kPositions * half, 1, seed + 1),
                         sin = Random<T>(kPositions * half, 1, seed + 2);
    for (const unsigned blocks : {1u, 7u, 100u}) {
      std::vector<T> got = x;
      door.of<T>().rope(blocks, got.data(), cos.data(), sin.data(), kRows, kHeads, kPositions, half);
      for (int64_t row = 0; row < kRows; ++row)
        for (int64_t i = 0; i < half; ++i) {
          const auto low = static_cast<size_t>(row * 2 * half + i), high = low + static_cast<size_t>(half);
          const auto angle = static_cast<size_t>(row / kHeads % kPositions * half + i);
          const auto product = [](const T& a, const T& b) {
            return static_cast<float>(Value(Stored<T>(static_cast<float>(Value(a)) * static_cast<float>(Value(b)))));
          };
          const double first = Value(Stored<T>(product(x[low], cos[angle]) - product(x[high], sin[angle])));
          const double second = Value(Stored<T>(product(x[high], cos[angle]) + product(x[low], sin[angle])));
          Expect(what, Value(got[low]), {first, first}, &mistakes);
          Expect(what, Value(got[high]), {second, second}, &mistakes);
        }
    }
  }
  return mistakes;
}

template <typename T>
Mistakes CheckLosses(const ScoreDoor& door) {
  Mistakes mistakes;
  for (const std::vector<int64_t>& tiles : {kOddTiles, std::vector<int64_t>{5000, 4096, 1}}) {
    const Vocabulary<T> vocabulary = MakeVocabulary<T>(tiles);
    for (const float cap : {0.0f, 30.0f}) CheckLossesOf(door, vocabulary, cap, &mistakes);
  }
  return mistakes;
}

template <typename T>
Mistakes CheckNaN(const ScoreDoor& door) {
  Mistakes mistakes;
  const auto expect = [&](const char* what, double value, bool nan) {
    if (std::isnan(value) != nan) mistakes.push_back(absl::StrCat(what, ": ", value));
  };
  // All bits set, as a device makes its NaN: rounding by adding would wrap it to a zero.
  const std::vector<float> weight = {1.0f, std::bit_cast<float>(0x7fffffffu)};
  std::vector<T> x = {Stored<T>(1), Stored<T>(2)};
  door.of<T>().rms_norm(1, x.data(), weight.data(), kEps, 1, 2, x.data());
  expect("norm beside a NaN", Value(x[0]), false);
  expect("norm of a NaN", Value(x[1]), true);
  door.of<T>().rms_norm(1, x.data(), nullptr, kEps, 1, 2, x.data());
  expect("norm of a row with a NaN", Value(x[0]), true);

  Vocabulary<T> vocabulary = MakeVocabulary<T>(kOddTiles);
  vocabulary.labels[0] = vocabulary.size;
  const T nan = Stored<T>(std::numeric_limits<double>::quiet_NaN());
  vocabulary.logits[static_cast<size_t>(vocabulary.size + 400)] = nan;
  for (const float cap : {0.0f, 30.0f}) {
    const std::vector<float> losses = vocabulary.Losses(door, 0, 3, 2, cap);
    expect("loss of a label of no tile", losses[0], true);
    expect("loss of a row with a NaN", losses[1], true);
    expect("loss beside a NaN", losses[2], false);
  }
  return mistakes;
}

template Mistakes CheckNorms<float>(const ScoreDoor&);
template Mistakes CheckNorms<Bfloat16>(const ScoreDoor&);
template Mistakes CheckGatedGelu<float>(const ScoreDoor&);
template Mistakes CheckGatedGelu<Bfloat16>(const ScoreDoor&);
template Mistakes CheckRope<float>(const ScoreDoor&);
template Mistakes CheckRope<Bfloat16>(const ScoreDoor&);
template Mistakes CheckLosses<float>(const ScoreDoor&);
template Mistakes CheckLosses<Bfloat16>(const ScoreDoor&);
template Mistakes CheckNaN<float>(const ScoreDoor&);
template Mistakes CheckNaN<Bfloat16>(const ScoreDoor&);

}  // namespace sub1quant::testing
