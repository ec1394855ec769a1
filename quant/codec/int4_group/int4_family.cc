#include "quant/codec/int4_group/int4_family.h"

#include <algorithm>

#include "core/status.h"
#include "quant/codec/group_codec.h"
#include "quant/codec/implementations.h"
#include "quant/codec/int4_group/int4_group.h"
#include "quant/codec/packing.h"

namespace sub1quant {
namespace {

constexpr char kMethod[] = "groupwise_int4";

absl::Status CheckInt4Group(const WeightTile& tile, int lane) {
  return Int4ScaleOverflows(tile.absmax[lane]) ? ScaleOverflow(tile, lane, "") : absl::OkStatus();
}

class Int4Codec final : public GroupCodec {
 public:
  Int4Codec() : GroupCodec(kMethod, 1) {}

  int64_t NominalBits(int64_t rows, int64_t cols, int group_size) const override {
    const MatrixShape shape{rows, cols, group_size};
    return 4 * shape.weights() + 16 * shape.groups();
  }

 protected:
  enum { kScales, kPacked };

  std::vector<ArraySpec> Arrays(const MatrixShape& shape) const override {
    return {{"scales", DType::kF16, {shape.rows, GroupsPerRow(shape.cols, shape.group_size)}},
            {"packed_int4", DType::kU8, {shape.padded_weights() / 2}}};
  }

  absl::Status CheckGroup(const WeightTile& tile, int lane) const override { return CheckInt4Group(tile, lane); }

  void EncodeTile(const WeightTile& tile, const Implementation& implementation, const uint8_t* /*choices*/,
                  const std::vector<uint8_t*>& arrays, float* sums) const override {
    Int4Tile encoded;
    implementation.int4.encode(tile, &encoded);
    for (int lane = 0; lane < tile.lanes; ++lane) {
      const int64_t at = tile.first + lane;
      PutFp16(arrays[kScales], at, encoded.scales[lane]);
      StoreWords(encoded.words, tile.group_size / 8, lane, arrays[kPacked] + at * (tile.group_size / 2));
      sums[lane] = encoded.sums[lane];
    }
  }

  // Every nibble is a code, also 0 (-8), and a scale may be negative: other encoders write both.
  absl::Status DecodeGroup(int group_size, int64_t at, const std::vector<const uint8_t*>& arrays,
                           float* out) const override {
    float scale = 0;
    SUB1QUANT_RETURN_IF_ERROR(ReadScale(arrays[kScales], at, "scales", &scale));
    float values[16];
    for (int code = 0; code < 16; ++code) values[code] = static_cast<float>(code - 8) * scale;
    const uint8_t* packed = arrays[kPacked] + at * (group_size / 2);
    for (int i = 0; i < group_size / 2; ++i) {
      out[2 * i] = values[packed[i] & 15];
      out[2 * i + 1] = values[packed[i] >> 4];
    }
    return absl::OkStatus();
  }
};

class Int4Evaluator final : public TileEvaluator {
 public:
  explicit Int4Evaluator(size_t methods) : methods_(methods) {}
  absl::Status Check(const WeightTile& tile, int lane) const override {
    return Annotate(CheckInt4Group(tile, lane), kMethod);
  }
  void Evaluate(const WeightTile& tile, const Implementation& implementation, float (*sums)[kTileLanes],
                uint8_t* const* /*choices*/) const override {
    implementation.int4.evaluate(tile, sums[0]);
    for (size_t i = 1; i < methods_; ++i) std::copy_n(sums[0], tile.lanes, sums[i]);
  }

 private:
  size_t methods_;
};

class Int4FamilyImpl final : public Family {
 public:
  const Codec* Find(const std::string& method) const override { return method == kMethod ? &codec_ : nullptr; }
  absl::StatusOr<std::unique_ptr<TileEvaluator>> NewEvaluator(const std::vector<std::string>& methods,
                                                              int) const override {
    return std::make_unique<Int4Evaluator>(methods.size());
  }

 private:
  Int4Codec codec_;
};

}  // namespace

const Family& Int4Family() {
  static const Int4FamilyImpl family;
  return family;
}

}  // namespace sub1quant
