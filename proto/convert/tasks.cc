#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "proto/convert/check.h"
#include "proto/convert/convert.h"
#include "quant/codec/codec.h"

namespace sub1quant {
namespace {

constexpr int kMaxMethods = 64;
constexpr int64_t kMaxWindow = int64_t{1} << 20, kMaxCount = int64_t{1} << 40;

v1::SearchTask Proto(const SearchTask& task) {
  v1::SearchTask proto;
  *proto.mutable_model() = ToProto(task.model);
  *proto.mutable_tensor() = TensorToProto(task.tensor);
  proto.set_file_identity(task.file_identity);
  proto.set_group_size(task.group_size);
  for (const std::string& method : task.methods) proto.add_methods(method);
  return proto;
}

v1::PackTask Proto(const PackTask& task) {
  v1::PackTask proto;
  *proto.mutable_model() = ToProto(task.model);
  *proto.mutable_tensor() = TensorToProto(task.tensor);
  proto.set_file_identity(task.file_identity);
  proto.set_group_size(task.group_size);
  proto.set_method(task.method);
  return proto;
}

v1::ScoreTask Proto(const ScoreTask& task) {
  v1::ScoreTask proto;
  *proto.mutable_model() = ToProto(task.model);
  proto.set_model_identity(task.model_identity);
  proto.set_manifest_sha256(task.manifest_sha256);
  proto.set_tokens_sha256(task.tokens_sha256);
  proto.set_bos_per_window(task.bos_per_window);
  proto.set_window(task.window);
  proto.set_stride(task.stride);
  proto.set_first(task.first);
  proto.set_count(task.count);
  proto.set_dtype(task.dtype);
  return proto;
}

v1::ExportTask Proto(const ExportTask& task) {
  v1::ExportTask proto;
  *proto.mutable_model() = ToProto(task.model);
  proto.set_manifest_sha256(task.manifest_sha256);
  proto.set_target(task.target);
  return proto;
}

absl::StatusOr<Task> Value(const v1::SearchTask& proto) {
  SearchTask task;
  task.model = FromProto(proto.model());
  SUB1QUANT_ASSIGN_OR_RETURN(task.tensor, MatrixFromProto(proto.tensor()));
  task.file_identity = proto.file_identity();
  SUB1QUANT_RETURN_IF_ERROR(CheckGroupSize(proto.group_size()));
  task.group_size = proto.group_size();
  SUB1QUANT_RETURN_IF_ERROR(CheckRange("search.methods", proto.methods_size(), 1, kMaxMethods));
  for (const std::string& method : proto.methods()) {
    SUB1QUANT_RETURN_IF_ERROR(CheckMethodField("search.methods", method));
    task.methods.push_back(method);
  }
  return task;
}

absl::StatusOr<Task> Value(const v1::PackTask& proto) {
  PackTask task;
  task.model = FromProto(proto.model());
  SUB1QUANT_ASSIGN_OR_RETURN(task.tensor, MatrixFromProto(proto.tensor()));
  task.file_identity = proto.file_identity();
  SUB1QUANT_RETURN_IF_ERROR(CheckGroupSize(proto.group_size()));
  task.group_size = proto.group_size();
  SUB1QUANT_RETURN_IF_ERROR(CheckMethodField("pack.method", proto.method()));
  task.method = proto.method();
  return task;
}

absl::StatusOr<Task> Value(const v1::ScoreTask& proto) {
  if (!proto.manifest_sha256().empty()) {
    SUB1QUANT_RETURN_IF_ERROR(CheckDigest("score.manifest_sha256", proto.manifest_sha256()));
  }
  SUB1QUANT_RETURN_IF_ERROR(CheckDigest("score.tokens_sha256", proto.tokens_sha256()));
  SUB1QUANT_RETURN_IF_ERROR(CheckRange("score.window", proto.window(), 2, kMaxWindow));
  SUB1QUANT_RETURN_IF_ERROR(CheckRange("score.stride", proto.stride(), 1, proto.window()));
  SUB1QUANT_RETURN_IF_ERROR(CheckRange("score.first", proto.first(), 0, kMaxCount));
  SUB1QUANT_RETURN_IF_ERROR(CheckRange("score.count", proto.count(), 1, kMaxCount));
  if (proto.dtype() != "auto" && proto.dtype() != "float32" && proto.dtype() != "bfloat16") {
    return absl::InvalidArgumentError(
        absl::StrCat("score.dtype '", proto.dtype(), "': want auto, float32 or bfloat16"));
  }
  ScoreTask task;
  task.model = FromProto(proto.model());
  task.model_identity = proto.model_identity();
  task.manifest_sha256 = proto.manifest_sha256();
  task.tokens_sha256 = proto.tokens_sha256();
  task.bos_per_window = proto.bos_per_window();
  task.window = proto.window();
  task.stride = proto.stride();
  task.first = proto.first();
  task.count = proto.count();
  task.dtype = proto.dtype();
  return task;
}

absl::StatusOr<Task> Value(const v1::ExportTask& proto) {
  SUB1QUANT_RETURN_IF_ERROR(CheckDigest("export.manifest_sha256", proto.manifest_sha256()));
  if (proto.target() != "pt") {
    return absl::InvalidArgumentError(absl::StrCat("export.target '", proto.target(), "': want pt"));
  }
  ExportTask task;
  task.model = FromProto(proto.model());
  task.manifest_sha256 = proto.manifest_sha256();
  task.target = proto.target();
  return task;
}

}  // namespace

v1::Task ToProto(const Task& task) {
  v1::Task proto;
  if (const auto* search = std::get_if<SearchTask>(&task)) *proto.mutable_search() = Proto(*search);
  if (const auto* pack = std::get_if<PackTask>(&task)) *proto.mutable_pack() = Proto(*pack);
  if (const auto* score = std::get_if<ScoreTask>(&task)) *proto.mutable_score() = Proto(*score);
  if (const auto* target = std::get_if<ExportTask>(&task)) *proto.mutable_export_() = Proto(*target);
  return proto;
}

absl::StatusOr<Task> FromProto(const v1::Task& proto) {
  switch (proto.kind_case()) {
    case v1::Task::kSearch:
      return Value(proto.search());
    case v1::Task::kPack:
      return Value(proto.pack());
    case v1::Task::kScore:
      return Value(proto.score());
    case v1::Task::kExport:
      return Value(proto.export_());
    case v1::Task::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("task: of no kind that this version knows");
}

}  // namespace sub1quant
