#include "proto/channel/channel.h"

#include <cctype>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace sub1quant {
namespace {

constexpr char kUnixPrefix[] = "unix:";
constexpr size_t kUnixPrefixLength = sizeof(kUnixPrefix) - 1;
// sockaddr_un::sun_path, less its final zero.
constexpr size_t kMaxUnixPath = 107;

bool IsUnix(const std::string& address) { return address.compare(0, kUnixPrefixLength, kUnixPrefix) == 0; }

std::string Target(const std::string& address) {
  if (IsUnix(address)) return absl::StrCat(kUnixPrefix, EscapeSocketPath(address.substr(kUnixPrefixLength)));
  return absl::StrCat("dns:///", address);
}

constexpr char kServiceConfig[] = R"({
  "methodConfig": [{
    "name": [{}],
    "retryPolicy": {
      "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 3,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }],
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.5}
})";

}  // namespace

std::string EscapeSocketPath(const std::string& path) {
  std::string escaped;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '/' || c == '.' || c == '-' || c == '_' || c == '~') {
      escaped += c;
    } else {
      absl::StrAppendFormat(&escaped, "%%%02X", byte);
    }
  }
  return escaped;
}

absl::Status CheckServerAddress(const std::string& address) {
  const auto refuse = [&](const std::string& why) {
    return absl::InvalidArgumentError(
        absl::StrCat("server address '", address, "': ", why, "; accepted: host:port or unix:PATH"));
  };
  if (IsUnix(address)) {
    const size_t length = address.size() - kUnixPrefixLength;
    if (length == 0) return refuse("no path");
    if (length > kMaxUnixPath) return refuse(absl::StrCat("the path has ", length, " bytes, at most 107 fit a socket"));
    return absl::OkStatus();
  }
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return refuse("no port");
  const std::string port = address.substr(colon + 1);
  if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos) {
    return refuse("the port is not a number");
  }
  if (const int number = std::stoi(port); number < 1 || number > 65535) return refuse("ports are 1 to 65535");
  if (address.find_first_of("/ \t\n") != std::string::npos) return refuse("not a host name");
  return absl::OkStatus();
}

std::shared_ptr<grpc::Channel> DialServer(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The defaults back off up to two minutes; a server that is back should be found within seconds.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  arguments.SetMaxReceiveMessageSize(4 << 20);
  arguments.SetMaxSendMessageSize(4 << 20);
  arguments.SetServiceConfigJSON(kServiceConfig);
  return grpc::CreateCustomChannel(Target(address), grpc::InsecureChannelCredentials(), arguments);
}

std::unique_ptr<grpc::ClientContext> NewCall(std::chrono::milliseconds timeout) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + timeout);
  context->AddMetadata(kProtocolMetadataKey, kProtocolVersion);
  return context;
}

}  // namespace sub1quant
