#include "server/options.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/file.h"
#include "core/status.h"
#include "core/version.h"

namespace sub1quant {
namespace {

absl::Status NotSupported(const std::string& option) {
  return absl::InvalidArgumentError(absl::StrCat(option, " is not supported in this version"));
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "[::1]" ||
         (absl::StartsWith(host, "127.") && host.find_first_not_of("0123456789.") == std::string::npos);
}

absl::Status CheckListen(const std::string& option, const std::string& address) {
  if (absl::StartsWith(address, "unix:")) {
    if (address.size() > 5) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(option, " unix: without a path"));
  }
  const size_t colon = address.rfind(':');
  const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos ||
      std::stoi(port) > 65535)
    return absl::InvalidArgumentError(absl::StrCat(option, " '", address, "': expected host:port or unix:PATH"));
  if (IsLoopback(address.substr(0, colon))) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(option, " ", address,
                   ": others could reach it, and this version has no TLS and no authentication; use "
                   "127.0.0.1:PORT or unix:PATH"));
}

absl::Status RefuseRoot(const std::string& root, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("--model-root '", root, "': ", why));
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> ModelRootsOf(const ServerOptions& options) {
  std::map<std::string, std::string> roots;
  for (const std::string& root : options.model_roots) {
    const size_t equals = root.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == root.size() || root.find('/') < equals)
      return RefuseRoot(root, "expected NAME=DIR, no / in NAME");
    const std::string directory = root.substr(equals + 1);
    if (!IsDirectory(directory)) return RefuseRoot(root, "no such directory");
    if (!roots.emplace(root.substr(0, equals), directory).second) return RefuseRoot(root, "the name is given twice");
  }
  return roots;
}

std::unique_ptr<CLI::App> MakeServerApp(ServerOptions& options) {
  auto app = std::make_unique<CLI::App>(
      "Splits quantization jobs into tasks, leases them to workers, keeps every result.", "sub1quant-server");
  app->set_version_flag("--version", VersionLine("sub1quant-server"));
  app->set_config("--config", "", "read options from this TOML file");
  app->allow_config_extras(CLI::config_extras_mode::error);  // a mistyped key must not go unnoticed
  app->add_option("--listen", options.listen, "host:port (port 0 picks one) or unix:PATH")->capture_default_str();
  app->add_option("--data", options.data, "directory of the store (and of blobs/, unless --blobs says otherwise)")
      ->required();
  app->add_option("--blobs", options.blobs, "directory of the blobs (default: DATA/blobs)");
  app->add_option("--model-root", options.model_roots,
                  "NAME=DIR: jobs may name models NAME/relative/path (repeatable)");
  app->add_option("--metrics", options.metrics,
                  "serve /metrics, /healthz and /readyz at [HOST:]PORT; a port alone: loopback");
  app->add_option("--admin", options.admin, "serve gRPC reflection and channelz at host:port (loopback) or unix:PATH");
  app->add_option("--lease-seconds", options.lease_seconds, "time to live of a lease without renewal")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  app->add_option("--log-format", options.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  for (auto& [name, value] : {std::pair<const char*, std::string*>{"--store", &options.store},
                              {"--tls-cert", &options.tls_cert},
                              {"--tls-key", &options.tls_key},
                              {"--client-ca", &options.client_ca},
                              {"--tokens", &options.tokens}})
    app->add_option(name, *value, "not supported in this version");
  // Of `sub1quant run`: an empty group is not shown.
  app->add_flag("--trust-model-roots", options.trust_model_roots)->group("");
  app->add_flag("--parent-death", options.parent_death)->group("");
  return app;
}

absl::Status CheckOptions(const ServerOptions& options) {
  if (!options.store.empty()) return NotSupported("--store");
  if (absl::StartsWith(options.blobs, "s3://")) return NotSupported("--blobs s3://");
  if (!options.tls_cert.empty()) return NotSupported("--tls-cert");
  if (!options.tls_key.empty()) return NotSupported("--tls-key");
  if (!options.client_ca.empty()) return NotSupported("--client-ca");
  if (!options.tokens.empty()) return NotSupported("--tokens");
  if (options.data.empty()) return absl::InvalidArgumentError("--data: a directory is needed");
  SUB1QUANT_RETURN_IF_ERROR(ModelRootsOf(options).status());
  if (!options.admin.empty()) SUB1QUANT_RETURN_IF_ERROR(CheckListen("--admin", options.admin));
  return CheckListen("--listen", options.listen);
}

}  // namespace sub1quant
