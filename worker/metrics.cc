#include "worker/metrics.h"

#include <atomic>
#include <utility>

#include "core/process/http.h"
#include "core/status.h"
#include "core/version.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace sub1quant {
namespace {

class NullMetrics final : public WorkerMetrics {
 public:
  void TaskEnded(const std::string&, const std::string&, double) override {}
  void TensorDone(const std::string&, uint64_t, uint64_t, uint64_t) override {}
  void Scored(const std::string&, uint64_t, uint64_t) override {}
  void Renewed(const std::string&) override {}
  void KernelRefused(const std::string&, const std::string&) override {}
  void ServerReachable(bool) override {}
  void StoreFull(bool) override {}
};

prometheus::Family<prometheus::Counter>& Counter(prometheus::Registry& registry, const std::string& name,
                                                 const std::string& help) {
  return prometheus::BuildCounter().Name("sub1quant_" + name).Help(help).Register(registry);
}

const prometheus::Histogram::BucketBoundaries& TaskSeconds() {
  static const prometheus::Histogram::BucketBoundaries kBounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                                               2.5,   5,    10,    25,   60,  120,  300, 600};
  return kBounds;
}

class PrometheusServer final : public MetricsServer, public WorkerMetrics {
 public:
  PrometheusServer() {
    prometheus::BuildGauge()
        .Name("sub1quant_build_info")
        .Help("Always 1; what this process was built from")
        .Register(*registry_)
        .Add({{"version", Version()}, {"revision", Commit()}, {"role", "worker"}})
        .Set(1);
  }

  absl::Status Start(const std::string& address) {
    absl::StatusOr<std::unique_ptr<HttpServer>> http =
        StartHttpServer(address, [this](const std::string& path) { return Answer(path); });
    if (!http.ok()) return Annotate(http.status(), "--metrics");
    http_ = *std::move(http);
    return absl::OkStatus();
  }

  WorkerMetrics& metrics() override { return *this; }
  int port() const override { return http_->port(); }

  void TaskEnded(const std::string& stage, const std::string& result, double seconds) override {
    ended_.Add({{"stage", stage}, {"result", result}}).Increment();
    run_seconds_.Add({{"stage", stage}}, TaskSeconds()).Observe(seconds);
    progress_.Add({}).SetToCurrentTime();
  }
  void TensorDone(const std::string& op, uint64_t parameters, uint64_t read, uint64_t written) override {
    parameters_.Add({{"op", op}}).Increment(static_cast<double>(parameters));
    bytes_.Add({{"op", op}, {"direction", "read"}}).Increment(static_cast<double>(read));
    bytes_.Add({{"op", op}, {"direction", "written"}}).Increment(static_cast<double>(written));
  }
  void Scored(const std::string& variant, uint64_t tokens, uint64_t chunks) override {
    tokens_.Add({{"variant", variant}}).Increment(static_cast<double>(tokens));
    chunks_.Add({{"variant", variant}, {"result", "ok"}}).Increment(static_cast<double>(chunks));
  }
  void Renewed(const std::string& result) override { renewals_.Add({{"result", result}}).Increment(); }

  void KernelRefused(const std::string& operation, const std::string& method) override {
    refused_.Add({{"operation", operation}, {"method", method}}).Increment();
  }

  void ServerReachable(bool reachable) override {
    ready_ = reachable;
    reachable_.Add({}).Set(reachable ? 1 : 0);
  }
  void StoreFull(bool full) override {
    full_ = full;
    store_full_.Add({}).Set(full ? 1 : 0);
  }

 private:
  HttpAnswer Answer(const std::string& path) {
    if (path == "/metrics") {
      return {200, "text/plain; version=0.0.4; charset=utf-8",
              prometheus::TextSerializer().Serialize(registry_->Collect())};
    }
    if (path == "/healthz") return {200, "text/plain; charset=utf-8", "ok\n"};
    if (path == "/readyz" && !ready_) return {503, "text/plain; charset=utf-8", "the server does not answer\n"};
    if (path == "/readyz" && full_) return {503, "text/plain; charset=utf-8", "there is no room for blobs\n"};
    if (path == "/readyz") return {200, "text/plain; charset=utf-8", "ok\n"};
    return {404, "text/plain; charset=utf-8", "there are /metrics, /healthz and /readyz\n"};
  }

  std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  prometheus::Family<prometheus::Counter>& ended_ =
      Counter(*registry_, "worker_tasks_total",
              "Tasks that ended on this worker, by how: done, failed, lost, released, stalled");
  prometheus::Family<prometheus::Histogram>& run_seconds_ = prometheus::BuildHistogram()
                                                                .Name("sub1quant_task_run_seconds")
                                                                .Help("Seconds that a task ran")
                                                                .Register(*registry_);
  prometheus::Family<prometheus::Gauge>& progress_ = prometheus::BuildGauge()
                                                         .Name("sub1quant_worker_progress_timestamp_seconds")
                                                         .Help("When the last task ended")
                                                         .Register(*registry_);
  prometheus::Family<prometheus::Counter>& parameters_ =
      Counter(*registry_, "tensor_parameters_total", "Weights that went through an operation");
  prometheus::Family<prometheus::Counter>& bytes_ =
      Counter(*registry_, "tensor_bytes_total", "Bytes of tensors read, and of blobs written");
  prometheus::Family<prometheus::Counter>& tokens_ = Counter(*registry_, "eval_tokens_total", "Input tokens scored");
  prometheus::Family<prometheus::Counter>& chunks_ = Counter(*registry_, "eval_chunks_total", "Windows scored");
  prometheus::Family<prometheus::Counter>& renewals_ =
      Counter(*registry_, "lease_renewals_total", "Renewals, by result: ok, lost, error");
  prometheus::Family<prometheus::Counter>& refused_ =
      Counter(*registry_, "device_kernel_refused_total", "Device kernels that differ from the CPU and are not used");
  prometheus::Family<prometheus::Gauge>& reachable_ =
      prometheus::BuildGauge()
          .Name("sub1quant_worker_server_reachable")
          .Help("1 while the server answers, and not that it has no room")
          .Register(*registry_);
  prometheus::Family<prometheus::Gauge>& store_full_ = prometheus::BuildGauge()
                                                           .Name("sub1quant_worker_store_full")
                                                           .Help("1 while blobs cannot be written for want of room")
                                                           .Register(*registry_);
  std::atomic<bool> ready_{false}, full_{false};
  std::unique_ptr<HttpServer> http_;  // last: its threads end before what they read
};

}  // namespace

std::unique_ptr<WorkerMetrics> NewNullMetrics() { return std::make_unique<NullMetrics>(); }

absl::StatusOr<std::unique_ptr<MetricsServer>> StartMetricsServer(const std::string& address) {
  auto server = std::make_unique<PrometheusServer>();
  if (absl::Status status = server->Start(address); !status.ok()) return status;
  return server;
}

}  // namespace sub1quant
