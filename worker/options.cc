#include "worker/options.h"

#include <unistd.h>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "core/file.h"
#include "core/status.h"
#include "core/version.h"
#include "proto/channel/channel.h"
#include "quant/codec/implementations.h"
#include "worker/device.h"

namespace sub1quant {

std::unique_ptr<CLI::App> MakeWorkerApp(WorkerOptions& options) {
  auto app = std::make_unique<CLI::App>("Takes tasks from a sub1quant server: search, pack, score, export.",
                                        "sub1quant-worker");
  // `sub1quant run` looks for the word cuda.
  const std::string module = access(DeviceModulePath().c_str(), F_OK) == 0 ? ", cuda" : "";
  app->set_version_flag("--version", VersionLine("sub1quant-worker", BestImplementation().name + module));
  app->add_option("--server", options.server, "host:port or unix:PATH")->envname("SUB1QUANT_SERVER")->required();
  app->add_option("--device", options.device, "auto, cpu, cuda or cuda:I")->capture_default_str();
  app->add_option("--threads", options.threads, "threads to compute on (default: all this process may use)")
      ->check(CLI::Range(1, 4096));
  app->add_option("--memory", options.memory,
                  "what scoring may take, as 3GiB; a larger model is read layer by layer (default: what is available)")
      ->check(CLI::PositiveNumber)
      ->transform(CLI::AsSizeValue(false));
  app->add_option("--name", options.name, "name in lists and reports (default: host name and process id)");
  app->add_option("--model-root", options.model_roots,
                  "NAME=DIR: read models of this root here instead of through the server (repeatable)");
  app->add_option("--blobs", options.blobs, "the server's blob directory, where it is shared");
  app->add_option("--cache", options.cache, "keep blobs that came through the server in this directory");
  app->add_option(
         "--cache-size", options.cache_size,
         "keep the cache below so many bytes (K, M, G, T: powers of 1024); what was used longest ago goes first")
      ->check(CLI::PositiveNumber)
      ->transform(CLI::AsSizeValue(false));
  app->add_option("--digests", options.digests,
                  "keep digests of the models' tensors in this file, so that each is hashed once");
  app->add_option("--metrics", options.metrics,
                  "serve /metrics, /healthz and /readyz at [HOST:]PORT; a port alone: loopback");
  app->add_option("--drain-seconds", options.drain_seconds, "after SIGTERM, how long the current task may take")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  app->add_option(
         "--stall-seconds", options.stall_seconds,
         "a task without a sign of life for so long (or three times what is expected of it) ends this process with 75")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  app->add_option("--log-format", options.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  // Of `sub1quant run`: an empty group is not shown.
  app->add_option("--session", options.session)->group("");
  app->add_flag("--trust-model-roots", options.trust_model_roots)->group("");
  app->add_flag("--parent-death", options.parent_death)->group("");
  app->add_flag("--fail-when-full", options.fail_when_full)->group("");
  return app;
}

absl::Status CheckOptions(const WorkerOptions& options) {
  SUB1QUANT_RETURN_IF_ERROR(Annotate(CheckServerAddress(options.server), "--server"));
  if (!options.session.empty() &&
      (options.session.size() != 32 || options.session.find_first_not_of("0123456789abcdef") != std::string::npos)) {
    return absl::InvalidArgumentError("--session: expected 32 characters of 0-9a-f");
  }
  if (!options.blobs.empty() && !options.cache.empty()) {
    return absl::InvalidArgumentError("--cache: of no use with --blobs, whose blobs are here already");
  }
  if (options.cache_size > 0 && options.cache.empty()) {
    return absl::InvalidArgumentError("--cache-size: of what? Name a directory with --cache");
  }
  if (options.name.size() > 128) return absl::InvalidArgumentError("--name: at most 128 bytes");
  return absl::OkStatus();
}

}  // namespace sub1quant
