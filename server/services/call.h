// What every handler does around its work: deadline demanded, protocol checked, status converted (without this
// machine's paths), call counted.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "proto/convert/convert.h"
#include "server/metrics.h"
#include "server/service_context.h"

namespace sub1quant {

// InvalidArgument without a deadline, FailedPrecondition for another protocol version, naming both.
absl::Status CheckCall(const grpc::ServerContext& context);

std::string GrpcCodeName(grpc::StatusCode code);  // "OK", "NOT_FOUND", …

// Runs `body` (→ absl::Status) if the call is acceptable.
template <typename Body>
grpc::Status HandleCall(const std::string& method, const ServiceContext& service, ServerMetrics& metrics,
                        grpc::ServerContext& call, const Body& body) {
  const SteadyTime start = service.clock.Now();
  absl::Status status = CheckCall(call);
  if (status.ok()) status = body();
  if (!status.ok()) status = absl::Status(status.code(), service.paths.Shown(std::string(status.message())));
  const grpc::Status answer = ToGrpc(status);
  metrics.Rpc(method, GrpcCodeName(answer.error_code()),
              std::chrono::duration<double>(service.clock.Now() - start).count());
  return answer;
}

}  // namespace sub1quant
