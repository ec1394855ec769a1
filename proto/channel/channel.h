// How client and worker reach a server: one way to dial, one way to call. Every call has a deadline and the protocol's
// metadata, and ends in an absl::Status.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "proto/convert/convert.h"

namespace sub1quant {

// ADDRESS is `host:port` or `unix:PATH` (any characters in PATH). InvalidArgument naming the address and what is
// accepted.
absl::Status CheckServerAddress(const std::string& address);

// gRPC takes addresses for URIs, whoever dials or listens: a space or a '%' in the path of a Unix socket must be
// escaped.
std::string EscapeSocketPath(const std::string& path);

// A lazily connected channel: keepalive 30 s / 10 s, messages of at most 4 MiB, no compression, no proxy from the
// environment; UNAVAILABLE is tried 4 times, 0.1 to 1 s apart. Thread-safe.
std::shared_ptr<grpc::Channel> DialServer(const std::string& address);

// The context of one call: its deadline and the metadata `sub1quant-protocol`. Use once.
std::unique_ptr<grpc::ClientContext> NewCall(std::chrono::milliseconds timeout);

// One unary call: CallUnary(*stub, &v1::JobService::Stub::GetJob, request, timeout).
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> CallUnary(Stub& stub,
                                   grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                   const Request& request, std::chrono::milliseconds timeout) {
  Response response;
  const std::unique_ptr<grpc::ClientContext> context = NewCall(timeout);
  absl::Status status = FromGrpc((stub.*method)(context.get(), request, &response));
  if (!status.ok()) return status;
  return response;
}

}  // namespace sub1quant
