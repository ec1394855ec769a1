#include "proto/convert/check.h"

#include "absl/strings/str_cat.h"
#include "core/digest.h"
#include "core/status.h"
#include "quant/codec/codec.h"

namespace sub1quant {

namespace {
constexpr uint64_t kMaxMatrixBytes = uint64_t{1} << 40;
}  // namespace

absl::Status CheckDigest(const std::string& field, const std::string& value) {
  if (IsSha256Hex(value)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": want 64 hexadecimal characters, not ", value.size(), " bytes"));
}

absl::Status CheckMethodField(const std::string& field, const std::string& method) {
  if (FindCodec(method) != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": unknown method '", method, "'"));
}

absl::Status CheckRange(const std::string& field, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, ", want ", least, " to ", most));
}

v1::ExactSum SumToProto(const ExactSum& sum) {
  v1::ExactSum proto;
  proto.set_high(sum.high());
  proto.set_low(sum.low());
  return proto;
}

ExactSum SumFromProto(const v1::ExactSum& proto) { return ExactSum::FromParts(proto.high(), proto.low()); }

v1::TensorRecord TensorToProto(const TensorRecord& tensor) {
  v1::TensorRecord proto;
  proto.set_key(tensor.key);
  proto.set_dtype(static_cast<v1::DType>(tensor.dtype));
  for (int64_t extent : tensor.shape) proto.add_shape(extent);
  proto.set_file(tensor.file);
  proto.set_offset(tensor.offset);
  proto.set_bytes(tensor.bytes);
  return proto;
}

absl::StatusOr<TensorRecord> MatrixFromProto(const v1::TensorRecord& proto) {
  TensorRecord tensor;
  switch (proto.dtype()) {
    case v1::D_TYPE_F16:
      tensor.dtype = DType::kF16;
      break;
    case v1::D_TYPE_BF16:
      tensor.dtype = DType::kBF16;
      break;
    case v1::D_TYPE_F32:
      tensor.dtype = DType::kF32;
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("tensor.dtype is ", static_cast<int>(proto.dtype()), ", want F16, BF16 or F32"));
  }
  if (proto.shape_size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat("tensor.shape has ", proto.shape_size(), " extents, want 2"));
  }
  unsigned __int128 bytes = static_cast<unsigned>(DTypeSize(tensor.dtype));
  for (int64_t extent : proto.shape()) {
    SUB1QUANT_RETURN_IF_ERROR(CheckRange("tensor.shape", extent, 1, int64_t{1} << 40));
    bytes *= static_cast<uint64_t>(extent);
    tensor.shape.push_back(extent);
  }
  if (bytes > kMaxMatrixBytes || proto.bytes() != static_cast<uint64_t>(bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor.bytes is ", proto.bytes(), ", does not match shape and dtype"));
  }
  tensor.key = proto.key();
  tensor.file = proto.file();
  tensor.offset = proto.offset();
  tensor.bytes = proto.bytes();
  return tensor;
}

v1::CandidateRow RowToProto(const CandidateRow& row) {
  v1::CandidateRow proto;
  proto.set_method(row.method);
  proto.set_bits(row.bits);
  *proto.mutable_error() = SumToProto(row.error);
  return proto;
}

absl::StatusOr<CandidateRow> RowFromProto(const v1::CandidateRow& proto) {
  SUB1QUANT_RETURN_IF_ERROR(CheckMethodField("row.method", proto.method()));
  SUB1QUANT_RETURN_IF_ERROR(CheckRange("row.bits", proto.bits(), 1, int64_t{1} << 50));
  SUB1QUANT_RETURN_IF_ERROR(CheckRange("row.error.high", proto.error().high(), 0, INT64_MAX));
  CandidateRow row;
  row.method = proto.method();
  row.bits = proto.bits();
  row.error = SumFromProto(proto.error());
  return row;
}

}  // namespace sub1quant
