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
#include "grpcpp/ext/channelz_service_plugin.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/impl/server_builder_option.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/server_builder.h"
#include "proto/channel/channel.h"
#include "proto/channel/grpc_log.h"
#include "spdlog/spdlog.h"
#include "sub1quant/v1/blobs.grpc.pb.h"
#include "sub1quant/v1/jobs.grpc.pb.h"
#include "sub1quant/v1/workers.grpc.pb.h"

namespace sub1quant {
namespace {

constexpr int kMaxMessage = 4 << 20;
constexpr int kMaxThreads = 256, kMaxAdminThreads = 8;

// Removes the socket file of a server that is dead; AlreadyExists if one answers, or if it is no socket.
absl::Status ClearSocket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return absl::InvalidArgumentError(absl::StrCat("unix:", path, ": the path has ", path.size(), " bytes, at most ",
                                                   sizeof(address.sun_path) - 1, " are possible"));
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

// gRPC's plugins (reflection, channelz) register themselves for every server of the process: each gets what it is told.
class Plugins final : public grpc::ServerBuilderOption {
 public:
  explicit Plugins(bool admin) : admin_(admin) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    if (!admin_) return plugins->clear();
    // Whether it has registered itself depends on the linker.
    auto reflection = std::make_unique<grpc::reflection::ProtoServerReflectionPlugin>();
    std::erase_if(*plugins, [&](const auto& plugin) { return plugin->name() == reflection->name(); });
    plugins->push_back(std::move(reflection));
  }

 private:
  const bool admin_;
};

absl::StatusOr<Listener> Start(const std::string& address, const std::vector<grpc::Service*>& services, bool admin) {
  const bool is_unix = absl::StartsWith(address, "unix:");
  if (is_unix) SUB1QUANT_RETURN_IF_ERROR(ClearSocket(address.substr(5)));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(is_unix ? absl::StrCat("unix:", EscapeSocketPath(address.substr(5))) : address,
                           grpc::InsecureServerCredentials(), &port);
  builder.SetOption(std::make_unique<Plugins>(admin));
  builder.SetMaxReceiveMessageSize(kMaxMessage);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 20000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM, 0);
  grpc::ResourceQuota quota(admin ? "sub1quant-admin" : "sub1quant-server");
  quota.SetMaxThreads(admin ? kMaxAdminThreads : kMaxThreads);
  builder.SetResourceQuota(quota);
  for (grpc::Service* service : services) builder.RegisterService(service);
  Listener listener;
  const GrpcLogCapture capture;  // a taken address: gRPC's lines say what ours says
  listener.server = builder.BuildAndStart();
  if (listener.server == nullptr || (!is_unix && port == 0)) {
    spdlog::debug("gRPC: {}", capture.text());
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address, ": the address is taken or not this machine's"));
  }
  listener.address = is_unix ? address : absl::StrCat(address.substr(0, address.rfind(':') + 1), port);
  return listener;
}

}  // namespace

absl::StatusOr<Listener> Listen(const std::string& address, const std::vector<grpc::Service*>& services) {
  return Start(address, services, /*admin=*/false);
}

absl::StatusOr<AdminListener> ListenForAdmin(const std::string& address) {
  grpc::channelz::experimental::InitChannelzService();  // again: no effect
  AdminListener admin;
  admin.services.push_back(std::make_unique<v1::JobService::Service>());
  admin.services.push_back(std::make_unique<v1::WorkerService::Service>());
  admin.services.push_back(std::make_unique<v1::BlobService::Service>());
  std::vector<grpc::Service*> services;
  for (const auto& service : admin.services) services.push_back(service.get());
  SUB1QUANT_ASSIGN_OR_RETURN(admin.listener, Start(address, services, /*admin=*/true));
  return admin;
}

}  // namespace sub1quant
