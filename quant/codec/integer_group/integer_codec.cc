#include "quant/codec/integer_group/integer_codec.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/codec/group_codec.h"
#include "quant/codec/implementations.h"
#include "quant/codec/integer_group/bit_stream.h"
#include "quant/codec/integer_group/integer_group.h"
#include "quant/codec/packing.h"

namespace sub1quant {
namespace {

constexpr int kVersion = 1;

// The costs of groups that several threads encode.
class WeightedSum {
 public:
  void Add(float cost) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (cost < kMostOfAGroup)
      sum_.Add(cost);
    else
      too_large_ = true;
  }
  // When all threads are done.
  absl::StatusOr<ExactSum> Total() const {
    if (!too_large_) return sum_;
    return absl::InvalidArgumentError("importance is too large: the weighted error of a group reaches 2^63");
  }

 private:
  static constexpr float kMostOfAGroup = 0x1p63f;  // ExactSum takes no more

  std::mutex mutex_;
  ExactSum sum_;
  bool too_large_ = false;
};

// Importance of every column, +0 in the padding, and the weighted error that encoding with it adds up.
struct Weighting {
  std::vector<float> importance;
  WeightedSum error;
};

// One width. `weighting`: null, or what Encode weighs with; not owned.
class WidthCodec final : public GroupCodec {
 public:
  WidthCodec(int bits, Weighting* weighting)
      : GroupCodec(IntegerMethod(bits), kVersion), bits_(bits), weighting_(weighting) {}

  int ChoiceBytes() const override { return 2; }  // the scale
  int64_t NominalBits(int64_t rows, int64_t cols, int group_size) const override {
    const MatrixShape shape{rows, cols, group_size};
    return bits_ * shape.weights() + 16 * shape.groups();
  }

 protected:
  enum { kScales, kPacked };

  std::vector<ArraySpec> Arrays(const MatrixShape& shape) const override {
    const int64_t groups = GroupsPerRow(shape.cols, shape.group_size);
    return {{"scales", DType::kF16, {shape.rows, groups}},
            {"packed", DType::kU8, {shape.rows, groups * GroupBytes(shape.group_size)}}};
  }

  absl::Status CheckGroup(const WeightTile& tile, int lane) const override {
    return CheckIntegerGroup(tile, lane, bits_);
  }

  void EncodeTile(const WeightTile& tile, const Implementation& implementation, const uint8_t* choices,
                  const std::vector<uint8_t*>& arrays, float* sums) const override {
    IntegerTileChoice choice;
    if (choices == nullptr) {
      Choose(tile, implementation, &choice);
      std::copy_n(choice.sums, tile.lanes, sums);
    } else {
      for (int lane = 0; lane < kTileLanes; ++lane)
        choice.scales[lane] = lane < tile.lanes ? GetFp16(choices, lane) : kFp16One;
    }
    alignas(64) IntegerWords words;
    implementation.integer.encode(tile, bits_, choice.scales, &words);
    const int64_t bytes = GroupBytes(tile.group_size);
    for (int lane = 0; lane < tile.lanes; ++lane) {
      const int64_t at = tile.first + lane;
      PutFp16(arrays[kScales], at, choice.scales[lane]);
      StoreWords(words, static_cast<int>(bytes / 4), lane, arrays[kPacked] + at * bytes);
    }
  }

  absl::Status DecodeGroup(int group_size, int64_t at, const std::vector<const uint8_t*>& arrays,
                           float* out) const override {
    float scale = 0;
    SUB1QUANT_RETURN_IF_ERROR(ReadScale(arrays[kScales], at, "scales", &scale));
    uint8_t codes[kMaxGroupSize];
    UnpackStream(arrays[kPacked] + at * GroupBytes(group_size), group_size, bits_, codes);
    for (int i = 0; i < group_size; ++i) out[i] = static_cast<float>(codes[i] - IntegerOffset(bits_)) * scale;
    return absl::OkStatus();
  }

 private:
  void Choose(const WeightTile& tile, const Implementation& implementation, IntegerTileChoice* choice) const {
    if (weighting_ == nullptr) return implementation.integer.choose(tile, bits_, nullptr, choice);
    alignas(64) float importance[kMaxGroupSize * kTileLanes];
    TurnImportance(tile, importance);
    implementation.integer.choose(tile, bits_, importance, choice);
    for (int lane = 0; lane < tile.lanes; ++lane) weighting_->error.Add(choice->costs[lane]);
  }

  // The columns of each lane, laid out as the tile's weights.
  void TurnImportance(const WeightTile& tile, float* importance) const {
    for (int lane = 0; lane < kTileLanes; ++lane) {
      const float* columns =
          lane < tile.lanes ? weighting_->importance.data() + tile.index(lane) * tile.group_size : nullptr;
      for (int i = 0; i < tile.group_size; ++i)
        importance[i * kTileLanes + lane] = columns == nullptr ? 0.0f : columns[i];
    }
  }

  int64_t GroupBytes(int group_size) const { return group_size * bits_ / 8; }

  int bits_;
  Weighting* weighting_;
};

absl::Status CheckImportance(const std::vector<float>& importance, int64_t cols) {
  if (static_cast<int64_t>(importance.size()) != cols)
    return absl::InvalidArgumentError(
        absl::StrCat("importance of ", importance.size(), " columns, the matrix has ", cols));
  for (size_t i = 0; i < importance.size(); ++i)
    if (!std::isfinite(importance[i]) || importance[i] < 0)
      return absl::InvalidArgumentError(absl::StrCat("importance of column ", i, " is ", importance[i],
                                                     "; a finite number, not negative, is expected"));
  return absl::OkStatus();
}

// Importance differs from matrix to matrix: a codec of its own serves each.
class IntegerCodec final : public Codec {
 public:
  explicit IntegerCodec(int bits) : bits_(bits), plain_(bits, nullptr) {}

  const std::string& method() const override { return plain_.method(); }
  int version() const override { return plain_.version(); }
  int ChoiceBytes() const override { return plain_.ChoiceBytes(); }
  int64_t NominalBits(int64_t rows, int64_t cols, int group_size) const override {
    return plain_.NominalBits(rows, cols, group_size);
  }
  uint64_t StoredBytes(int64_t rows, int64_t cols, int group_size) const override {
    return plain_.StoredBytes(rows, cols, group_size);
  }

  absl::StatusOr<EncodedMatrix> Encode(const MatrixView& matrix, const EncodeOptions& options) const override {
    if (options.importance.empty()) return plain_.Encode(matrix, options);
    SUB1QUANT_RETURN_IF_ERROR(CheckMatrix(matrix, options.group_size));
    SUB1QUANT_RETURN_IF_ERROR(CheckImportance(options.importance, matrix.cols));
    Weighting weighting;
    weighting.importance = options.importance;
    weighting.importance.resize(static_cast<size_t>(GroupsPerRow(matrix.cols, options.group_size) * options.group_size),
                                0.0f);
    SUB1QUANT_ASSIGN_OR_RETURN(EncodedMatrix encoded, WidthCodec(bits_, &weighting).Encode(matrix, options));
    SUB1QUANT_ASSIGN_OR_RETURN(encoded.weighted_error, weighting.error.Total());
    return encoded;
  }

  absl::StatusOr<EncodedMatrix> Prepare(int64_t rows, int64_t cols, const EncodeOptions& options) const override {
    return plain_.Prepare(rows, cols, options);
  }
  absl::StatusOr<std::vector<const uint8_t*>> CheckArrays(const EncodedMatrix& encoded) const override {
    return plain_.CheckArrays(encoded);
  }
  absl::Status Decode(const EncodedMatrix& encoded, int64_t first_row, int64_t row_count, float* out) const override {
    return plain_.Decode(encoded, first_row, row_count, out);
  }

 private:
  int bits_;
  WidthCodec plain_;
};

}  // namespace

std::string IntegerMethod(int bits) { return absl::StrCat("int", bits); }

std::unique_ptr<Codec> NewIntegerCodec(int bits) { return std::make_unique<IntegerCodec>(bits); }

absl::Status CheckIntegerGroup(const WeightTile& tile, int lane, int bits) {
  return IntegerScaleOverflows(tile.absmax[lane], bits) ? ScaleOverflow(tile, lane, "") : absl::OkStatus();
}

}  // namespace sub1quant
