#include "core/status.h"
#include "proto/convert/check.h"
#include "proto/convert/convert.h"

namespace sub1quant {
namespace {

constexpr int64_t kMaxCount = int64_t{1} << 40;

v1::SearchResult Proto(const SearchResult& result) {
  v1::SearchResult proto;
  proto.set_tensor_sha256(result.tensor_sha256);
  for (const CandidateRow& row : result.rows) *proto.add_rows() = RowToProto(row);
  return proto;
}

v1::PackResult Proto(const PackResult& result) {
  v1::PackResult proto;
  proto.set_tensor_sha256(result.tensor_sha256);
  proto.set_blob_sha256(result.blob_sha256);
  proto.set_blob_bytes(result.blob_bytes);
  proto.set_stored_bytes(result.stored_bytes);
  *proto.mutable_row() = RowToProto(result.row);
  return proto;
}

v1::ScoreResult Proto(const ScoreResult& result) {
  v1::ScoreResult proto;
  for (const WindowScore& window : result.windows) {
    v1::WindowScore* out = proto.add_windows();
    out->set_index(window.index);
    out->set_scored(window.scored);
    out->set_weight(window.weight);
    *out->mutable_nll() = SumToProto(window.nll);
    *out->mutable_nll_squared() = SumToProto(window.nll_squared);
  }
  proto.set_dtype(result.dtype);
  proto.set_device(result.device);
  proto.set_seconds(result.seconds);
  proto.set_replaced(result.replaced);
  proto.set_skipped(result.skipped);
  proto.set_missing(result.missing);
  proto.set_shape_mismatches(result.shape_mismatches);
  return proto;
}

v1::ExportResult Proto(const ExportResult& result) {
  v1::ExportResult proto;
  proto.set_blob_sha256(result.blob_sha256);
  proto.set_blob_bytes(result.blob_bytes);
  return proto;
}

absl::StatusOr<TaskResult> Value(const v1::SearchResult& proto) {
  SUB1QUANT_RETURN_IF_ERROR(CheckDigest("search.tensor_sha256", proto.tensor_sha256()));
  SearchResult result;
  result.tensor_sha256 = proto.tensor_sha256();
  for (const v1::CandidateRow& row : proto.rows()) {
    SUB1QUANT_ASSIGN_OR_RETURN(CandidateRow value, RowFromProto(row));
    result.rows.push_back(std::move(value));
  }
  return result;
}

absl::StatusOr<TaskResult> Value(const v1::PackResult& proto) {
  SUB1QUANT_RETURN_IF_ERROR(CheckDigest("pack.tensor_sha256", proto.tensor_sha256()));
  SUB1QUANT_RETURN_IF_ERROR(CheckDigest("pack.blob_sha256", proto.blob_sha256()));
  PackResult result;
  result.tensor_sha256 = proto.tensor_sha256();
  result.blob_sha256 = proto.blob_sha256();
  result.blob_bytes = proto.blob_bytes();
  result.stored_bytes = proto.stored_bytes();
  SUB1QUANT_ASSIGN_OR_RETURN(result.row, RowFromProto(proto.row()));
  return result;
}

absl::StatusOr<TaskResult> Value(const v1::ScoreResult& proto) {
  ScoreResult result;
  for (const v1::WindowScore& window : proto.windows()) {
    SUB1QUANT_RETURN_IF_ERROR(CheckRange("score.windows.index", window.index(), 0, kMaxCount));
    SUB1QUANT_RETURN_IF_ERROR(CheckRange("score.windows.scored", window.scored(), 1, kMaxCount));
    SUB1QUANT_RETURN_IF_ERROR(CheckRange("score.windows.weight", window.weight(), 1, kMaxCount));
    WindowScore value;
    value.index = window.index();
    value.scored = window.scored();
    value.weight = window.weight();
    value.nll = SumFromProto(window.nll());
    value.nll_squared = SumFromProto(window.nll_squared());
    result.windows.push_back(value);
  }
  for (int64_t count : {proto.replaced(), proto.skipped(), proto.missing(), proto.shape_mismatches()}) {
    SUB1QUANT_RETURN_IF_ERROR(CheckRange("score apply counts", count, 0, kMaxCount));
  }
  if (!(proto.seconds() >= 0 && proto.seconds() < 1e12)) {
    return absl::InvalidArgumentError("score.seconds: want a number of at least 0");
  }
  result.dtype = proto.dtype();
  result.device = proto.device();
  result.seconds = proto.seconds();
  result.replaced = proto.replaced();
  result.skipped = proto.skipped();
  result.missing = proto.missing();
  result.shape_mismatches = proto.shape_mismatches();
  return result;
}

absl::StatusOr<TaskResult> Value(const v1::ExportResult& proto) {
  SUB1QUANT_RETURN_IF_ERROR(CheckDigest("export.blob_sha256", proto.blob_sha256()));
  ExportResult result;
  result.blob_sha256 = proto.blob_sha256();
  result.blob_bytes = proto.blob_bytes();
  return result;
}

}  // namespace

v1::TaskResult ToProto(const TaskResult& result) {
  v1::TaskResult proto;
  if (const auto* search = std::get_if<SearchResult>(&result)) *proto.mutable_search() = Proto(*search);
  if (const auto* pack = std::get_if<PackResult>(&result)) *proto.mutable_pack() = Proto(*pack);
  if (const auto* score = std::get_if<ScoreResult>(&result)) *proto.mutable_score() = Proto(*score);
  if (const auto* target = std::get_if<ExportResult>(&result)) *proto.mutable_export_() = Proto(*target);
  return proto;
}

absl::StatusOr<TaskResult> FromProto(const v1::TaskResult& proto) {
  switch (proto.kind_case()) {
    case v1::TaskResult::kSearch:
      return Value(proto.search());
    case v1::TaskResult::kPack:
      return Value(proto.pack());
    case v1::TaskResult::kScore:
      return Value(proto.score());
    case v1::TaskResult::kExport:
      return Value(proto.export_());
    case v1::TaskResult::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("result: of no kind that this version knows");
}

}  // namespace sub1quant
