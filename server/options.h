// The command line of sub1quant-server (docs/interface.md §4).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"

namespace sub1quant {

struct ServerOptions {
  std::string listen = "127.0.0.1:7070";
  std::string data;
  std::string blobs;  // default: data/blobs
  std::string store;
  std::vector<std::string> model_roots;  // NAME=DIR
  std::string metrics;
  std::string admin, tls_cert, tls_key, client_ca, tokens;
  std::string log_format = "text";
  int lease_seconds = 30;
  bool trust_model_roots = false;  // of `sub1quant run`: links in the user's own model directory may lead anywhere
  bool parent_death = false;       // of `sub1quant run`: end with the parent
};

std::unique_ptr<CLI::App> MakeServerApp(ServerOptions& options);

// Name → directory, from NAME=DIR. InvalidArgument naming what is wrong: the form, a directory that is not there, a
// name given twice.
absl::StatusOr<std::map<std::string, std::string>> ModelRootsOf(const ServerOptions& options);

// Refuses by name what this version cannot do, model roots that are none, and an address that others could reach:
// without TLS and authentication the server listens on loopback or a Unix socket only.
absl::Status CheckOptions(const ServerOptions& options);

}  // namespace sub1quant
