// sub1quant-server: wiring. 0 stopped by a signal · 1 could not start · 2 wrong usage.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <thread>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "core/file.h"
#include "core/process/http.h"
#include "core/process/log.h"
#include "core/process/signals.h"
#include "core/status.h"
#include "core/version.h"
#include "proto/channel/grpc_log.h"
#include "server/conductor.h"
#include "server/listener.h"
#include "server/metrics.h"
#include "server/options.h"
#include "server/services/blob_service.h"
#include "server/services/job_service.h"
#include "server/services/worker_service.h"
#include "server/store/sqlite_store.h"
#include "spdlog/spdlog.h"

namespace sub1quant {
namespace {

constexpr int kMaxLongPolls = 192;  // below the listener's threads: short calls always find one
constexpr std::chrono::seconds kShutdown{5}, kPredecessorEnds{10};

HttpAnswer AnswerHttp(const std::string& path, ServerMetrics& metrics, StateStore& store) {
  if (path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", metrics.Scrape()};
  if (path == "/healthz") return {200, "text/plain; charset=utf-8", "ok\n"};
  if (path != "/readyz") return {404, "text/plain; charset=utf-8", "there are /metrics, /healthz and /readyz\n"};
  const absl::Status status = store.Ping();
  if (status.ok()) return {200, "text/plain; charset=utf-8", "ok\n"};
  return {503, "text/plain; charset=utf-8", "the store does not answer\n"};
}

// A client sees a model's name and no path of this machine. `sub1quant run` names the user's own: they are shown.
PathNames NamesOf(const ServerOptions& options, const std::map<std::string, std::string>& roots,
                  const std::string& blobs) {
  PathNames names;
  if (options.trust_model_roots) return names;
  for (const auto& [name, directory] : roots) names.Add(directory, name);
  names.Add(options.data, "data");
  names.Add(blobs, "blobs");
  return names;
}

std::string MetricsHost(const std::string& address) {
  const size_t colon = address.rfind(':');
  return colon == std::string::npos ? "127.0.0.1" : address.substr(0, colon);
}

// The private server of a `run` that was killed ends within its shutdown time; the next `run` waits for it instead of
// failing.
absl::StatusOr<std::unique_ptr<StateStore>> OpenStore(const Clock& clock, IdGenerator& ids,
                                                      const ServerOptions& options, std::chrono::milliseconds lease_ttl,
                                                      ShutdownSignals& signals) {
  const SteadyTime end = clock.Now() + (options.parent_death ? kPredecessorEnds : std::chrono::seconds(0));
  while (true) {
    absl::StatusOr<std::unique_ptr<StateStore>> store = OpenSqliteStore(clock, ids, {options.data, lease_ttl});
    if (store.ok() || !absl::IsFailedPrecondition(store.status()) || clock.Now() >= end) return store;
    if (signals.Wait(std::chrono::milliseconds(100)))
      return absl::CancelledError("stopped while waiting for the store");
  }
}

absl::Status Serve(const ServerOptions& options, ShutdownSignals& signals) {
  const std::unique_ptr<Clock> clock = NewSystemClock();
  const std::unique_ptr<IdGenerator> ids = NewRandomIdGenerator();
  const std::chrono::milliseconds lease_ttl = std::chrono::seconds(options.lease_seconds);
  SUB1QUANT_RETURN_IF_ERROR(MakeDirectories(options.data));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<StateStore> store,
                             OpenStore(*clock, *ids, options, lease_ttl, signals));
  const std::string blob_directory = options.blobs.empty() ? options.data + "/blobs" : options.blobs;
  SUB1QUANT_RETURN_IF_ERROR(MakeDirectories(blob_directory));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<BlobStore> blobs, OpenBlobDirectory(blob_directory));
  SUB1QUANT_ASSIGN_OR_RETURN(const auto roots, ModelRootsOf(options));
  ServiceContext context{*clock, *ids, *store, *blobs, {}, lease_ttl, NamesOf(options, roots, blob_directory)};
  for (const auto& [name, directory] : roots) context.model_roots[name] = {directory, options.trust_model_roots};
  ServerMetrics metrics(*clock, *store);
  LongPolls polls(kMaxLongPolls);
  JobServiceImpl jobs(context, metrics, polls);
  WorkerServiceImpl workers(context, metrics, polls);
  BlobServiceImpl blob_service(context, metrics);

  std::unique_ptr<HttpServer> http;
  if (!options.metrics.empty()) {
    absl::StatusOr<std::unique_ptr<HttpServer>> started =
        StartHttpServer(options.metrics, [&](const std::string& path) { return AnswerHttp(path, metrics, *store); });
    SUB1QUANT_RETURN_IF_ERROR(Annotate(started.status(), "--metrics"));
    http = *std::move(started);
  }
  AdminListener admin;
  if (!options.admin.empty()) {
    SUB1QUANT_ASSIGN_OR_RETURN(admin, ListenForAdmin(options.admin));
    spdlog::info("admin on {}", admin.listener.address);
  }
  Conductor conductor(context, metrics);
  std::thread conducting([&] { conductor.Run(); });
  absl::StatusOr<Listener> listener = Listen(options.listen, {&jobs, &workers, &blob_service});
  if (listener.ok()) {
    spdlog::info("{}", VersionLine("sub1quant-server"));
    if (http) spdlog::info("metrics on {}:{}", MetricsHost(options.metrics), http->port());
    spdlog::info("listening on {}", listener->address);
    while (!signals.Wait(std::chrono::minutes(1))) {
    }
    spdlog::info("stopping");
    jobs.Stop();
    workers.Stop();
    listener->server->Shutdown(std::chrono::system_clock::now() + kShutdown);
  }
  if (admin.listener.server != nullptr) admin.listener.server->Shutdown(std::chrono::system_clock::now());
  conductor.Stop();
  conducting.join();
  return listener.status();
}

}  // namespace
}  // namespace sub1quant

int main(int argc, char** argv) {
  using namespace sub1quant;
  ServerOptions options;
  const std::unique_ptr<CLI::App> app = MakeServerApp(options);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app->exit(error) == 0 ? 0 : 2;
  }
  const absl::Status usage = CheckOptions(options);
  if (!usage.ok()) {
    std::fprintf(stderr, "sub1quant-server: error: %s\n", std::string(usage.message()).c_str());
    return 2;
  }
  if (options.parent_death) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == 1) return 0;  // the parent ended before
  }
  SetUpLogging(options.log_format, "server", "");
  RouteGrpcLog();
  ShutdownSignals signals;
  const absl::Status status = Serve(options, signals);
  if (status.ok()) return 0;
  std::fprintf(stderr, "sub1quant-server: error: %s\n", std::string(status.message()).c_str());
  return 1;
}
