#include "server/listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/server_builder.h"
#include "proto/channel/channel.h"

namespace sub1quant {
namespace {

constexpr int kMaxMessage = 4 << 20;
constexpr int kMaxThreads = 256;

// Removes the socket file of a server that is dead; AlreadyExists if one answers, or if it is no socket.
absl::Status ClearSocket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return absl::InvalidArgumentError(absl::StrCat("--listen unix:", path, ": the path has ", path.size(),
                                                   " bytes, at most ", sizeof(address.sun_path) - 1, " are possible"));
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) return absl::AlreadyExistsError(absl::StrCat(path, ": exists and is no socket"));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return ErrnoStatus(errno, "socket");
  const int error = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
  close(probe);
  if (error == 0) return absl::AlreadyExistsError(absl::StrCat("unix:", path, ": another server listens there"));
  // Anything else than a refusal (no right to connect, a socket of another type) may be alive.
  if (error != ECONNREFUSED) return ErrnoStatus(error, absl::StrCat("unix:", path, ": is this socket in use?"));
  unlink(path.c_str());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Listener> Listen(const std::string& address, const std::vector<grpc::Service*>& services) {
  const bool is_unix = absl::StartsWith(address, "unix:");
  if (is_unix) SUB1QUANT_RETURN_IF_ERROR(ClearSocket(address.substr(5)));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(is_unix ? absl::StrCat("unix:", EscapeSocketPath(address.substr(5))) : address,
                           grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(kMaxMessage);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 20000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM, 0);
  grpc::ResourceQuota quota("sub1quant-server");
  quota.SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
  for (grpc::Service* service : services) builder.RegisterService(service);
  Listener listener;
  listener.server = builder.BuildAndStart();
  if (listener.server == nullptr || (!is_unix && port == 0))
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address, ": the address is taken or not this machine's"));
  listener.address = is_unix ? address : absl::StrCat(address.substr(0, address.rfind(':') + 1), port);
  return listener;
}

}  // namespace sub1quant
