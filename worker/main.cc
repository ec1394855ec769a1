// sub1quant-worker: wiring, signals, exit codes. 0 drained · 1 the server refuses this worker · 2 wrong usage ·
// 75 a task stands still, or the device failed: start me again.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/process/log.h"
#include "core/process/signals.h"
#include "core/status.h"
#include "core/version.h"
#include "proto/channel/channel.h"
#include "proto/channel/grpc_log.h"
#include "proto/channel/remote_blobs.h"
#include "quant/codec/implementations.h"
#include "quant/eval/torch/scorer.h"
#include "spdlog/spdlog.h"
#include "worker/bounded_cache.h"
#include "worker/device.h"
#include "worker/executors/executors.h"
#include "worker/executors/score_device.h"
#include "worker/full_store.h"
#include "worker/lanes.h"
#include "worker/loop.h"
#include "worker/options.h"

namespace sub1quant {
namespace {

using std::chrono::milliseconds;

// What is left of --drain-seconds for releasing and leaving once the current task has had its time.
constexpr milliseconds kExitReserve{3'000};
// EX_TEMPFAIL of sysexits.h: a supervisor starts the worker again.
constexpr int kStartMeAgain = 75;

// A byte or two a group and method: some 60 MB for the published formats of two thousand million weights.
constexpr uint64_t kMaxChoiceBytes = uint64_t{256} << 20;

std::string DefaultName() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) return absl::StrCat("worker-", getpid());
  return absl::StrCat(host.data(), "-", getpid());
}

absl::StatusOr<std::unique_ptr<BlobStore>> OpenBlobs(const Clock& clock, const WorkerOptions& options,
                                                     const std::shared_ptr<grpc::Channel>& channel) {
  if (!options.blobs.empty()) return OpenBlobDirectory(options.blobs);
  RemoteBlobOptions remote;
  if (!options.cache.empty()) {
    SUB1QUANT_RETURN_IF_ERROR(MakeDirectories(options.cache));
    SUB1QUANT_ASSIGN_OR_RETURN(remote.cache, options.cache_size > 0
                                                 ? OpenBoundedCache(clock, options.cache, options.cache_size)
                                                 : OpenBlobDirectory(options.cache));
    remote.spool_directory = options.cache;
  }
  return NewRemoteBlobStore(channel, std::move(remote));
}

// What the server is told of this machine's directories. `sub1quant run` names the user's own: they are shown.
PathNames NamesOf(const WorkerOptions& options, const ModelRoots& roots) {
  PathNames names;
  if (options.trust_model_roots) return names;
  for (const auto& [name, directory] : roots.directories) names.Add(directory, name);
  names.Add(options.blobs, "blobs");
  names.Add(options.cache, "cache");
  return names;
}

absl::StatusOr<std::unique_ptr<TensorDigests>> OpenDigests(const WorkerOptions& options) {
  if (options.digests.empty()) return std::make_unique<TensorDigests>();
  absl::StatusOr<std::unique_ptr<TensorDigests>> digests = TensorDigests::Open(options.digests);
  if (!digests.ok()) return Annotate(digests.status(), "--digests");
  return digests;
}

// Everything that main wires, in the order of its making.
struct Worker {
  std::unique_ptr<Clock> clock = NewSystemClock();
  std::unique_ptr<Pause> work_pause = NewSystemPause(), renew_pause = NewSystemPause();
  std::unique_ptr<IdGenerator> ids = NewRandomIdGenerator();
  std::unique_ptr<WorkerMetrics> null_metrics = NewNullMetrics();
  std::unique_ptr<MetricsServer> metrics_server;
  Device device;
  std::unique_ptr<BlobStore> blobs;
  std::unique_ptr<ModelAccess> models;
  std::unique_ptr<ComputeThreads> cpu;
  std::unique_ptr<DigestPool> hashes;
  std::unique_ptr<TensorDigests> digests;
  std::unique_ptr<TensorLoader> tensors;
  ChoiceCache choices{kMaxChoiceBytes};
  std::unique_ptr<TaskExecutors> executors;
  std::unique_ptr<Coordinator> coordinator;
  std::unique_ptr<WorkerLoop> loop;

  WorkerMetrics& metrics() { return metrics_server ? metrics_server->metrics() : *null_metrics; }
};

absl::Status Wire(const WorkerOptions& options, Worker& worker) {
  SUB1QUANT_RETURN_IF_ERROR(CheckOptions(options));
  ModelRoots roots;
  roots.follow_links = options.trust_model_roots;
  for (const std::string& root : options.model_roots) SUB1QUANT_RETURN_IF_ERROR(AddModelRoot(root, roots));
  if (!options.metrics.empty()) {
    SUB1QUANT_ASSIGN_OR_RETURN(worker.metrics_server, StartMetricsServer(options.metrics));
    spdlog::info("metrics on port {}", worker.metrics_server->port());
  }
  const auto refused = [&metrics = worker.metrics()](const KernelRefusal& refusal) {
    spdlog::error("kernel refused, it is not used: {} {}: {}", refusal.operation, refusal.method, refusal.why);
    metrics.KernelRefused(refusal.operation, refusal.method);
  };
  const DeviceEvents events{refused, ExitForLostDevice};
  SUB1QUANT_ASSIGN_OR_RETURN(worker.device, ChooseDevice(options.device, DeviceModulePath(), events));
  const std::shared_ptr<grpc::Channel> channel = DialServer(options.server);
  SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<BlobStore> blobs, OpenBlobs(*worker.clock, options, channel));
  // A service waits until a full disk has room again; `sub1quant run` has to say what it would wait for.
  worker.blobs = options.fail_when_full ? std::move(blobs) : NewFullStoreGuard(std::move(blobs), worker.metrics());
  PathNames paths = NamesOf(options, roots);
  worker.models = NewModelAccess(std::move(roots), channel);
  const int threads = options.threads > 0 ? options.threads : AvailableThreads();
  worker.cpu = std::make_unique<ComputeThreads>(threads);
  SUB1QUANT_ASSIGN_OR_RETURN(worker.digests, OpenDigests(options));
  worker.hashes = std::make_unique<DigestPool>(*worker.cpu);
  worker.tensors = std::make_unique<TensorLoader>(*worker.hashes, *worker.digests);
  worker.executors = std::make_unique<TaskExecutors>(
      Resources{*worker.clock, *worker.models, *worker.blobs, worker.metrics(), *worker.device.coder, *worker.cpu,
                *worker.hashes, *worker.tensors, worker.choices, options.memory},
      ChooseScoreDevice(worker.device, events));

  const std::string session = options.session.empty() ? worker.ids->NewId() : options.session;
  worker.coordinator =
      NewGrpcCoordinator(channel, {options.name, session, worker.device.description, Version()}, std::move(paths));
  WorkerLoop::Options loop;
  loop.jitter_seed = std::hash<std::string>()(session);
  loop.stall_patience = std::chrono::seconds(options.stall_seconds);
  // No destructor would get past the thread that stands still.
  loop.on_stall = [] {
    spdlog::shutdown();
    std::_Exit(kStartMeAgain);
  };
  loop.lanes = LaneCount(threads);
  worker.loop = std::make_unique<WorkerLoop>(
      WorkerLoop::Parts{*worker.clock, *worker.work_pause, *worker.renew_pause, *worker.ids, *worker.coordinator,
                        *worker.executors, worker.metrics()},
      loop);
  spdlog::info("{}: worker {} on {}, {} thread(s), server {}",
               VersionLine("sub1quant-worker", BestImplementation().name), options.name, worker.device.description,
               threads, options.server);
  return absl::OkStatus();
}

// Waits for the work to end; signals drain it, then cut it short.
class Supervisor {
 public:
  Supervisor(Worker& worker, ShutdownSignals& signals, int drain_seconds)
      : worker_(worker), signals_(signals), drain_(std::chrono::seconds(drain_seconds)) {}

  absl::Status Run() {
    std::thread renew([this] { worker_.loop->RunRenewals(); });
    std::thread work([this] {
      result_ = worker_.loop->RunWork();
      done_ = true;
      signals_.Interrupt();
    });
    while (!done_) {
      if (!signals_.Wait(milliseconds(60'000))) continue;
      Stop();
    }
    work.join();
    renew.join();
    return result_;
  }

 private:
  void Stop() {
    worker_.loop->Drain();
    const SteadyTime deadline = worker_.clock->Now() + drain_;
    WaitUntil(deadline - kExitReserve, /*signal_ends=*/true);
    if (done_) return;
    spdlog::warn("releasing what is not finished");
    worker_.loop->Abandon();
    WaitUntil(std::max(deadline, worker_.clock->Now() + milliseconds(500)), /*signal_ends=*/false);
    if (done_) return;
    // The executor is inside a step that cannot be cut short. Nothing it does is published: its lease is gone.
    spdlog::shutdown();
    std::_Exit(0);
  }

  void WaitUntil(SteadyTime deadline, bool signal_ends) {
    while (!done_) {
      const SteadyTime now = worker_.clock->Now();
      if (now >= deadline) return;
      const auto left = std::chrono::duration_cast<milliseconds>(deadline - now) + milliseconds(1);
      if (signals_.Wait(left) && signal_ends) return;
    }
  }

  Worker& worker_;
  ShutdownSignals& signals_;
  milliseconds drain_;
  std::atomic<bool> done_{false};
  absl::Status result_;  // written before done_
};

int Main(int argc, char** argv) {
  WorkerOptions options;
  const std::unique_ptr<CLI::App> app = MakeWorkerApp(options);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app->exit(error) == 0 ? 0 : 2;
  }
  if (options.name.empty()) options.name = DefaultName();
  ShutdownSignals signals;
  if (options.parent_death) {
    const pid_t parent = getppid();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (parent == 1 || getppid() != parent) return 0;  // it died before
  }
  SetUpLogging(options.log_format, "worker", options.name);
  RouteGrpcLog();
  InitializeTorch();

  Worker worker;
  if (const absl::Status status = Wire(options, worker); !status.ok()) {
    std::fprintf(stderr, "sub1quant-worker: %s\n", std::string(status.message()).c_str());
    return 2;
  }
  const absl::Status status = Supervisor(worker, signals, options.drain_seconds).Run();
  if (status.ok()) {
    spdlog::info("drained");
    return 0;
  }
  std::fprintf(stderr, "sub1quant-worker: %s: %s\n", options.server.c_str(), std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace sub1quant

int main(int argc, char** argv) { return sub1quant::Main(argc, argv); }
