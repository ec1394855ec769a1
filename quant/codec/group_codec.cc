#include "quant/codec/group_codec.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/check.h"
#include "core/status.h"
#include "quant/codec/implementations.h"
#include "quant/codec/packing.h"

namespace sub1quant {
namespace {

absl::Status CheckArray(const EncodedArray& array, const ArraySpec& spec) {
  if (array.dtype != spec.dtype)
    return absl::InvalidArgumentError(
        absl::StrCat("array '", spec.name, "' must be ", spec.dtype == DType::kF16 ? "F16" : "U8"));
  if (array.shape != spec.shape)
    return absl::InvalidArgumentError(absl::StrCat("array '", spec.name, "' has shape [",
                                                   absl::StrJoin(array.shape, ", "), "], must have [",
                                                   absl::StrJoin(spec.shape, ", "), "]"));
  if (array.bytes.size() != spec.bytes())
    return absl::InvalidArgumentError(
        absl::StrCat("array '", spec.name, "' has ", array.bytes.size(), " bytes, must have ", spec.bytes()));
  return absl::OkStatus();
}

}  // namespace

uint64_t ArraySpec::bytes() const {
  uint64_t count = dtype == DType::kF16 ? 2 : 1;
  for (int64_t dimension : shape) count *= static_cast<uint64_t>(dimension);
  return count;
}

absl::Status ScaleOverflow(const WeightTile& tile, int lane, const std::string& detail) {
  return absl::InvalidArgumentError(
      absl::StrCat("float16 scale overflows", detail, ": row ", tile.row(lane), ", group ", tile.index(lane)));
}

absl::Status ReadScale(const uint8_t* array, int64_t index, const char* name, float* scale) {
  *scale = Fp16Value(GetFp16(array, index));
  if (!std::isfinite(*scale))
    return absl::InvalidArgumentError(absl::StrCat("array '", name, "': scale ", index, " is not finite"));
  return absl::OkStatus();
}

uint64_t GroupCodec::StoredBytes(int64_t rows, int64_t cols, int group_size) const {
  uint64_t bytes = 0;
  for (const ArraySpec& spec : Arrays({rows, cols, group_size})) bytes += spec.bytes();
  return bytes;
}

absl::StatusOr<EncodedMatrix> GroupCodec::Prepare(int64_t rows, int64_t cols, const EncodeOptions& options) const {
  SUB1QUANT_RETURN_IF_ERROR(CheckGroupSize(options.group_size));
  SUB1QUANT_RETURN_IF_ERROR(CheckShape(rows, cols, options.group_size));
  SUB1QUANT_RETURN_IF_ERROR(CheckSize(options.group_size));
  const MatrixShape shape{rows, cols, options.group_size};
  EncodedMatrix encoded;
  encoded.method = method_;
  encoded.rows = shape.rows;
  encoded.cols = shape.cols;
  encoded.group_size = shape.group_size;
  std::vector<ArraySpec> specs = Arrays(shape);
  if (options.keep_ignored_arrays)
    for (ArraySpec& spec : IgnoredArrays(shape)) specs.push_back(std::move(spec));
  for (const ArraySpec& spec : specs)
    encoded.arrays.push_back({spec.name, spec.dtype, spec.shape, std::vector<uint8_t>(spec.bytes())});
  return encoded;
}

absl::StatusOr<EncodedMatrix> GroupCodec::Encode(const MatrixView& matrix, const EncodeOptions& options) const {
  SUB1QUANT_RETURN_IF_ERROR(CheckMatrix(matrix, options.group_size));
  SUB1QUANT_ASSIGN_OR_RETURN(EncodedMatrix encoded, Prepare(matrix.rows, matrix.cols, options));
  const MatrixShape shape{matrix.rows, matrix.cols, options.group_size};
  std::vector<uint8_t*> arrays;
  for (EncodedArray& array : encoded.arrays) arrays.push_back(array.bytes.data());
  arrays.resize(Arrays(shape).size() + IgnoredArrays(shape).size(), nullptr);

  const Implementation& implementation =
      options.implementation != nullptr ? *options.implementation : BestImplementation();
  const uint8_t* const choices = options.kept == nullptr ? nullptr : options.kept->bytes.data();
  if (options.kept != nullptr)
    SUB1QUANT_CHECK(options.kept->bytes.size() == static_cast<size_t>(shape.groups() * ChoiceBytes()));
  std::vector<ExactSum> sums(static_cast<size_t>(RowBlockCount(matrix)));
  const auto encode = [&](int64_t block, const WeightTile& tile) -> absl::Status {
    for (int lane = 0; lane < tile.lanes; ++lane) {
      if (tile.absmax[lane] <= kNeverRefused) continue;
      SUB1QUANT_RETURN_IF_ERROR(CheckFinite(tile, lane));
      SUB1QUANT_RETURN_IF_ERROR(CheckGroup(tile, lane));
    }
    float sse[kTileLanes] = {};
    EncodeTile(tile, implementation, choices == nullptr ? nullptr : choices + tile.first * ChoiceBytes(), arrays, sse);
    for (int lane = 0; lane < tile.lanes; ++lane) sums[static_cast<size_t>(block)].Add(sse[lane]);
    return absl::OkStatus();
  };
  SUB1QUANT_RETURN_IF_ERROR(ForEachTile(matrix, options.group_size, options.threads, implementation, encode));
  FillTails(shape, arrays);
  for (const ExactSum& sum : sums) encoded.error.Add(sum);
  if (options.kept != nullptr && ChoiceBytes() > 0) encoded.error = options.kept->error;
  return encoded;
}

absl::StatusOr<std::vector<const uint8_t*>> GroupCodec::CheckArrays(const EncodedMatrix& encoded) const {
  if (encoded.method != method_)
    return absl::InvalidArgumentError(absl::StrCat("entry is '", encoded.method, "', not '", method_, "'"));
  SUB1QUANT_RETURN_IF_ERROR(CheckGroupSize(encoded.group_size));
  SUB1QUANT_RETURN_IF_ERROR(CheckShape(encoded.rows, encoded.cols, encoded.group_size));
  SUB1QUANT_RETURN_IF_ERROR(CheckSize(encoded.group_size));
  const MatrixShape shape{encoded.rows, encoded.cols, encoded.group_size};
  std::vector<ArraySpec> specs = Arrays(shape);
  const size_t needed = specs.size();
  for (ArraySpec& spec : IgnoredArrays(shape)) specs.push_back(std::move(spec));
  std::vector<const uint8_t*> pointers(specs.size(), nullptr);
  for (const EncodedArray& array : encoded.arrays) {
    const auto spec =
        std::find_if(specs.begin(), specs.end(), [&](const ArraySpec& s) { return s.name == array.name; });
    if (spec == specs.end())
      return absl::InvalidArgumentError(absl::StrCat(method_, " has no array '", array.name, "'"));
    const uint8_t*& pointer = pointers[static_cast<size_t>(spec - specs.begin())];
    if (pointer != nullptr)
      return absl::InvalidArgumentError(absl::StrCat("array '", array.name, "' stands there twice"));
    SUB1QUANT_RETURN_IF_ERROR(CheckArray(array, *spec));
    pointer = array.bytes.data();
  }
  for (size_t i = 0; i < needed; ++i)
    if (pointers[i] == nullptr)
      return absl::InvalidArgumentError(absl::StrCat("array '", specs[i].name, "' is missing"));
  return pointers;
}

absl::Status GroupCodec::Decode(const EncodedMatrix& encoded, int64_t first_row, int64_t row_count, float* out) const {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<const uint8_t*> arrays, CheckArrays(encoded));
  if (first_row < 0 || row_count < 0 || first_row > encoded.rows || row_count > encoded.rows - first_row)
    return absl::InvalidArgumentError(
        absl::StrCat(row_count, " rows from row ", first_row, " are not within ", encoded.rows, " rows"));
  const int64_t groups = GroupsPerRow(encoded.cols, encoded.group_size);
  alignas(64) float buffer[kMaxGroupSize];
  for (int64_t row = first_row; row < first_row + row_count; ++row) {
    for (int64_t index = 0; index < groups; ++index) {
      const int64_t first = index * encoded.group_size;
      const int64_t real = std::min<int64_t>(encoded.group_size, encoded.cols - first);
      float* to = real == encoded.group_size ? out + first : buffer;
      SUB1QUANT_RETURN_IF_ERROR(DecodeGroup(encoded.group_size, row * groups + index, arrays, to));
      if (to == buffer) std::memcpy(out + first, buffer, sizeof(float) * static_cast<size_t>(real));
    }
    out += encoded.cols;
  }
  return absl::OkStatus();
}

}  // namespace sub1quant
