// The gRPC listener: the server's address, made so that a taken one is an error and a dead server's socket file is not.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/server.h"

namespace sub1quant {

struct Listener {
  std::unique_ptr<grpc::Server> server;
  std::string address;  // with the port that was picked
};

// Naming the address: AlreadyExists for the socket of a living server or another file, Unavailable for a taken port.
absl::StatusOr<Listener> Listen(const std::string& address, const std::vector<grpc::Service*>& services);

struct AdminListener {
  std::vector<std::unique_ptr<grpc::Service>> services;  // outlive the listener
  Listener listener;
};

// A second listener for operators: reflection and channelz of the whole process. It describes the API (grpcurl
// `describe`) and serves none of it: calls answer Unimplemented, here and nowhere else. Errors as Listen.
absl::StatusOr<AdminListener> ListenForAdmin(const std::string& address);

}  // namespace sub1quant
