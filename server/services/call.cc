#include "server/services/call.h"

#include "absl/strings/str_cat.h"

namespace sub1quant {

absl::Status CheckCall(const grpc::ServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(kProtocolMetadataKey);
  const std::string theirs = found == metadata.end() ? "none" : std::string(found->second.data(), found->second.size());
  if (theirs != kProtocolVersion)
    return absl::FailedPreconditionError(absl::StrCat("protocol version: this server speaks ", kProtocolVersion,
                                                      ", the call says ", theirs, " (metadata ", kProtocolMetadataKey,
                                                      "); use programs of one release"));
  if (context.deadline() == std::chrono::system_clock::time_point::max())
    return absl::InvalidArgumentError("the call has no deadline");
  return absl::OkStatus();
}

std::string GrpcCodeName(grpc::StatusCode code) {
  static constexpr const char* kNames[] = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  const auto index = static_cast<size_t>(code);
  return index < std::size(kNames) ? kNames[index] : "UNKNOWN";
}

}  // namespace sub1quant
