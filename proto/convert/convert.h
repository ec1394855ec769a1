// The one door between protobuf messages and values. From* checks what the wire cannot: known enum values, digests,
// ranges; its errors name the field. Nothing in quant/ includes a .pb.h.
#pragma once

#include "absl/status/statusor.h"
#include "grpcpp/support/status.h"
#include "quant/plan/specification.h"
#include "quant/plan/tasks.h"
#include "sub1quant/v1/plan.pb.h"

namespace sub1quant {

v1::Task ToProto(const Task& task);
absl::StatusOr<Task> FromProto(const v1::Task& proto);

v1::TaskResult ToProto(const TaskResult& result);
absl::StatusOr<TaskResult> FromProto(const v1::TaskResult& proto);

v1::JobSpecification ToProto(const JobSpecification& specification);
absl::StatusOr<JobSpecification> FromProto(const v1::JobSpecification& proto);

v1::ModelReference ToProto(const ModelReference& reference);
ModelReference FromProto(const v1::ModelReference& proto);

grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

// Metadata key and value that every call carries.
inline constexpr char kProtocolMetadataKey[] = "sub1quant-protocol";
inline constexpr char kProtocolVersion[] = "1";

}  // namespace sub1quant
