#include "quant/codec/int2_group/int2_codecs.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/codec/group_codec.h"
#include "quant/codec/implementations.h"
#include "quant/codec/int2_group/int2_arrays.h"
#include "quant/codec/int2_group/int2_group.h"
#include "quant/codec/packing.h"

namespace sub1quant {
namespace {

std::vector<ArraySpec> Joined(std::vector<ArraySpec> a, std::vector<ArraySpec> b) {
  std::move(b.begin(), b.end(), std::back_inserter(a));
  return a;
}

// What all share: a search keeps the multiplier of each group, by its number; the codes are those of that multiplier.
class Int2Codec : public GroupCodec {
 public:
  int ChoiceBytes() const final { return 1; }

 protected:
  // k 0: no corrections.
  Int2Codec(std::string method, int k) : GroupCodec(std::move(method), /*version=*/1), k_(k) {}

  absl::Status CheckGroup(const WeightTile& tile, int lane) const final { return CheckInt2Group(tile, lane); }
  void EncodeTile(const WeightTile& tile, const Implementation& implementation, const uint8_t* choices,
                  const std::vector<uint8_t*>& arrays, float* sums) const final {
    Int2Choices found;
    if (choices == nullptr) {
      implementation.int2.choose(tile, request_, &found);
      choices = (k_ == 0 ? found.binary : found.k[0]).multipliers;
      std::copy_n(Sums(found), tile.lanes, sums);
    }
    Int2Tile codes;
    implementation.int2.encode(tile, choices, &codes);
    StoreTile(tile, implementation, choices, arrays, &codes);
  }

  // S of docs/formats.md §7 of this method.
  virtual const float* Sums(const Int2Choices& found) const = 0;
  virtual void StoreTile(const WeightTile& tile, const Implementation& implementation, const uint8_t* multipliers,
                         const std::vector<uint8_t*>& arrays, Int2Tile* codes) const = 0;

  const int k_;

 private:
  const Int2Request request_{.binary = k_ == 0, .ks = &k_, .k_count = k_ == 0 ? 0 : 1};
};

class Int2BaseCodec final : public Int2Codec {
 public:
  Int2BaseCodec() : Int2Codec("int2_base", 0) {}
  int64_t NominalBits(int64_t rows, int64_t cols, int group_size) const override {
    const MatrixShape shape{rows, cols, group_size};
    return 2 * shape.weights() + 16 * shape.groups();
  }

 protected:
  std::vector<ArraySpec> Arrays(const MatrixShape& shape) const override { return Int2BaseArrays(shape); }
  std::vector<ArraySpec> IgnoredArrays(const MatrixShape& shape) const override {
    return Int2ResidualArrays(shape, "residual");
  }
  const float* Sums(const Int2Choices& found) const override { return found.base_sums; }
  void StoreTile(const WeightTile& tile, const Implementation&, const uint8_t* /*multipliers*/,
                 const std::vector<uint8_t*>& arrays, Int2Tile* codes) const override {
    StoreInt2Base(tile, *codes, arrays.data());
    if (arrays[2] != nullptr) StoreInt2Signs(tile, *codes, arrays.data() + 2);
  }
  absl::Status DecodeGroup(int group_size, int64_t at, const std::vector<const uint8_t*>& arrays,
                           float* out) const override {
    return LoadInt2Base(group_size, at, arrays.data(), out);
  }
};

class Int2BinaryCodec final : public Int2Codec {
 public:
  Int2BinaryCodec() : Int2Codec("int2_binary_residual", 0) {}
  int64_t NominalBits(int64_t rows, int64_t cols, int group_size) const override {
    const MatrixShape shape{rows, cols, group_size};
    return 3 * shape.weights() + 32 * shape.groups();
  }

 protected:
  std::vector<ArraySpec> Arrays(const MatrixShape& shape) const override {
    return Joined(Int2BaseArrays(shape), Int2ResidualArrays(shape, "residual"));
  }
  const float* Sums(const Int2Choices& found) const override { return found.binary.sums; }
  void StoreTile(const WeightTile& tile, const Implementation&, const uint8_t* /*multipliers*/,
                 const std::vector<uint8_t*>& arrays, Int2Tile* codes) const override {
    StoreInt2Base(tile, *codes, arrays.data());
    StoreInt2Signs(tile, *codes, arrays.data() + 2);
  }
  absl::Status DecodeGroup(int group_size, int64_t at, const std::vector<const uint8_t*>& arrays,
                           float* out) const override {
    return LoadInt2Binary(group_size, at, arrays.data(), "residual_scales", out);
  }
};

class Int2CorrectedCodec final : public Int2Codec {
 public:
  explicit Int2CorrectedCodec(int k) : Int2Codec(Int2CorrectedMethod(k), k) {}
  int64_t NominalBits(int64_t rows, int64_t cols, int group_size) const override {
    const MatrixShape shape{rows, cols, group_size};
    const int64_t index_bits = std::max(1, static_cast<int>(std::bit_width(static_cast<unsigned>(group_size - 1))));
    return 3 * shape.weights() + (48 + k_ * (index_bits + 4)) * shape.groups();
  }

 protected:
  enum { kBase = 0, kSigns = 2, kIndices = 4, kCounts, kPacked, kScales };

  std::vector<ArraySpec> Arrays(const MatrixShape& shape) const override {
    const int64_t per_row = GroupsPerRow(shape.cols, shape.group_size);
    return Joined(Joined(Int2BaseArrays(shape), Int2ResidualArrays(shape, "binary_residual")),
                  {{"outlier_indices", DType::kU8, {shape.rows, per_row, k_}},
                   {"outlier_counts", DType::kU8, {shape.rows, per_row}},
                   {"outlier_packed", DType::kU8, {(shape.groups() * k_ + 1) / 2}},
                   {"outlier_scales", DType::kF16, {shape.rows, per_row}}});
  }

  absl::Status CheckSize(int group_size) const override { return CheckInt2Corrections(k_, group_size); }

  const float* Sums(const Int2Choices& found) const override { return found.k[0].sums; }
  void StoreTile(const WeightTile& tile, const Implementation& implementation, const uint8_t* multipliers,
                 const std::vector<uint8_t*>& arrays, Int2Tile* codes) const override {
    TurnSignsOfZeroGroups(tile, codes);
    StoreInt2Base(tile, *codes, arrays.data() + kBase);
    StoreInt2Signs(tile, *codes, arrays.data() + kSigns);
    Int2Corrections corrections[kTileLanes];
    implementation.int2.correct(tile, multipliers, k_, corrections);
    for (int lane = 0; lane < tile.lanes; ++lane) StoreCorrections(corrections[lane], tile.first + lane, arrays);
  }

  void FillTails(const MatrixShape& shape, const std::vector<uint8_t*>& arrays) const override {
    if (const int64_t entries = shape.groups() * k_; entries % 2 != 0) PutNibble(arrays[kPacked], entries, 8);
  }

  absl::Status DecodeGroup(int group_size, int64_t at, const std::vector<const uint8_t*>& arrays,
                           float* out) const override {
    SUB1QUANT_RETURN_IF_ERROR(LoadInt2Binary(group_size, at, arrays.data(), "binary_residual_scales", out));
    float scale = 0;
    SUB1QUANT_RETURN_IF_ERROR(ReadScale(arrays[kScales], at, "outlier_scales", &scale));
    const int count = arrays[kCounts][at];
    if (count > k_)
      return absl::InvalidArgumentError(
          absl::StrCat("array 'outlier_counts': ", count, " at group ", at, " is above ", k_));
    // Also the entries past the count: whoever reads them by another rule must not be led outside.
    for (int i = 0; i < k_; ++i)
      if (const int index = arrays[kIndices][at * k_ + i]; index >= group_size)
        return absl::InvalidArgumentError(
            absl::StrCat("array 'outlier_indices': ", index, " at group ", at, " is not below ", group_size));
    for (int i = 0; i < count; ++i) {
      const int code = GetNibble(arrays[kPacked], at * k_ + i) - 8;
      out[arrays[kIndices][at * k_ + i]] += static_cast<float>(code) * scale;
    }
    return absl::OkStatus();
  }

 private:
  // docs/formats.md §1: these formats store 1 where the others store 0.
  static void TurnSignsOfZeroGroups(const WeightTile& tile, Int2Tile* codes) {
    for (int lane = 0; lane < tile.lanes; ++lane)
      if (IsZeroGroup(tile.absmax[lane]))
        for (int word = 0; word < tile.group_size / 32; ++word) codes->signs[word][lane] = ~0u;
  }

  void StoreCorrections(const Int2Corrections& corrections, int64_t at, const std::vector<uint8_t*>& arrays) const {
    std::copy_n(corrections.indices, k_, arrays[kIndices] + at * k_);
    arrays[kCounts][at] = corrections.count;
    for (int i = 0; i < k_; ++i) PutNibble(arrays[kPacked], at * k_ + i, corrections.codes[i]);
    PutFp16(arrays[kScales], at, corrections.scale);
  }
};

}  // namespace

std::unique_ptr<Codec> NewInt2BaseCodec() { return std::make_unique<Int2BaseCodec>(); }
std::unique_ptr<Codec> NewInt2BinaryCodec() { return std::make_unique<Int2BinaryCodec>(); }
std::unique_ptr<Codec> NewInt2CorrectedCodec(int k) { return std::make_unique<Int2CorrectedCodec>(k); }

std::string Int2CorrectedMethod(int k) { return absl::StrCat("int2_error_budget_k", k); }

absl::Status CheckInt2Corrections(int k, int group_size) {
  if (k <= group_size) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(Int2CorrectedMethod(k), " keeps ", k, " corrections a group, more than group size ", group_size));
}

absl::Status CheckInt2Group(const WeightTile& tile, int lane) {
  return Int2ScaleOverflows(tile.absmax[lane]) ? ScaleOverflow(tile, lane, " at multiplier 1") : absl::OkStatus();
}

}  // namespace sub1quant
