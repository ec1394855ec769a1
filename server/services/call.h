// What every handler does around its work: deadline demanded, protocol checked, status converted, call counted.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "proto/convert/convert.h"
#include "server/metrics.h"

namespace sub1quant {

// InvalidArgument without a deadline, FailedPrecondition for another protocol version, naming both.
absl::Status CheckCall(const grpc::ServerContext& context);

std::string GrpcCodeName(grpc::StatusCode code);  // "OK", "NOT_FOUND", …

// Runs `body` (→ absl::Status) if the call is acceptable.
template <typename Body>
grpc::Status HandleCall(const std::string& method, const Clock& clock, ServerMetrics& metrics,
                        grpc::ServerContext& context, const Body& body) {
  const SteadyTime start = clock.Now();
  absl::Status status = CheckCall(context);
  if (status.ok()) status = body();
  const grpc::Status answer = ToGrpc(status);
  metrics.Rpc(method, GrpcCodeName(answer.error_code()), std::chrono::duration<double>(clock.Now() - start).count());
  return answer;
}

}  // namespace sub1quant
