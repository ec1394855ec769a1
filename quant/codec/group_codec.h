// What all group-wise codecs share: allocation and checking of arrays, the walk over groups and threads, the error sum.
// A format says which arrays it has and how one group is encoded and decoded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quant/codec/codec.h"
#include "quant/codec/weight_tile.h"

namespace sub1quant {

struct MatrixShape {
  int64_t rows = 0, cols = 0;
  int group_size = 128;

  int64_t groups() const { return rows * GroupsPerRow(cols, group_size); }  // of the whole matrix
  int64_t weights() const { return rows * cols; }
  int64_t padded_weights() const { return groups() * group_size; }
};

struct ArraySpec {
  std::string name;
  DType dtype = DType::kU8;
  std::vector<int64_t> shape;
  uint64_t bytes() const;
};

class GroupCodec : public Codec {
 public:
  const std::string& method() const final { return method_; }
  int version() const final { return version_; }
  int ChoiceBytes() const override { return 0; }
  uint64_t StoredBytes(int64_t rows, int64_t cols, int group_size) const final;
  absl::StatusOr<EncodedMatrix> Encode(const MatrixView& matrix, const EncodeOptions& options) const final;
  absl::StatusOr<EncodedMatrix> Prepare(int64_t rows, int64_t cols, const EncodeOptions& options) const final;
  absl::StatusOr<std::vector<const uint8_t*>> CheckArrays(const EncodedMatrix& encoded) const final;
  absl::Status Decode(const EncodedMatrix& encoded, int64_t first_row, int64_t row_count, float* out) const final;

 protected:
  GroupCodec(std::string method, int version) : method_(std::move(method)), version_(version) {}

  // Arrays in the order in which the pointers below stand.
  virtual std::vector<ArraySpec> Arrays(const MatrixShape& shape) const = 0;
  // Written only on demand and not needed to decode; their pointers follow, null where the arrays are absent.
  virtual std::vector<ArraySpec> IgnoredArrays(const MatrixShape&) const { return {}; }
  // Group sizes that this method refuses.
  virtual absl::Status CheckSize(int /*group_size*/) const { return absl::OkStatus(); }
  // Groups that cannot be encoded (docs/formats.md §1), naming row and group.
  virtual absl::Status CheckGroup(const WeightTile& tile, int lane) const = 0;
  // Stores the lanes in use: group `tile.first + lane` of the matrix each. `choices`: null, or what was kept of the
  // lanes; `sums`: S of docs/formats.md §7, only needed where nothing was kept.
  virtual void EncodeTile(const WeightTile& tile, const Implementation& implementation, const uint8_t* choices,
                          const std::vector<uint8_t*>& arrays, float* sums) const = 0;
  // Writes group_size values to `out`.
  virtual absl::Status DecodeGroup(int group_size, int64_t at, const std::vector<const uint8_t*>& arrays,
                                   float* out) const = 0;
  // Fills what the packing leaves of the last byte of an array.
  virtual void FillTails(const MatrixShape&, const std::vector<uint8_t*>&) const {}

 private:
  std::string method_;
  int version_;
};

// "float16 scale overflows…: row R, group G".
absl::Status ScaleOverflow(const WeightTile& tile, int lane, const std::string& detail);
// The float16 scale at `index`, in float32; InvalidArgument naming the array if it is not finite.
absl::Status ReadScale(const uint8_t* array, int64_t index, const char* name, float* scale);

}  // namespace sub1quant
