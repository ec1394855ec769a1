#include "server/metrics.h"

#include "core/version.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "server/worker_exits.h"

namespace sub1quant {
namespace {

prometheus::Family<prometheus::Counter>& Counter(prometheus::Registry& registry, const std::string& name,
                                                 const std::string& help) {
  return prometheus::BuildCounter().Name("sub1quant_" + name).Help(help).Register(registry);
}

prometheus::Family<prometheus::Gauge>& Gauge(prometheus::Registry& registry, const std::string& name,
                                             const std::string& help) {
  return prometheus::BuildGauge().Name("sub1quant_" + name).Help(help).Register(registry);
}

// A worker that has not been heard of for this long, and holds nothing, no longer counts.
constexpr double kGoneSeconds = 60;

const prometheus::Histogram::BucketBoundaries kRpcSeconds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                          0.25,   0.5,   1,      2.5,   5,    10,    30};

}  // namespace

struct ServerMetrics::Impl {
  const Clock& clock;
  StateStore& store;
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& handled =
      Counter(registry, "rpc_server_handled_total", "Calls that ended, by method and gRPC code");
  prometheus::Family<prometheus::Histogram>& handling = prometheus::BuildHistogram()
                                                            .Name("sub1quant_rpc_server_handling_seconds")
                                                            .Help("Seconds that calls took, long polls included")
                                                            .Register(registry);
  prometheus::Counter& granted = Counter(registry, "leases_granted_total", "Leases given to workers").Add({});
  prometheus::Family<prometheus::Counter>& renewals =
      Counter(registry, "lease_renewals_total", "Leases renewed, by result: ok, lost");
  prometheus::Counter& expired = Counter(registry, "lease_expired_total", "Leases whose time to live ran out").Add({});
  prometheus::Family<prometheus::Counter>& rejections =
      Counter(registry, "lease_lost_rejections_total", "Reports refused because the lease was lost");
  prometheus::Family<prometheus::Counter>& completed =
      Counter(registry, "tasks_completed_total", "Tasks completed, by stage");
  prometheus::Family<prometheus::Counter>& failed =
      Counter(registry, "attempts_failed_total", "Attempts that workers reported as failed, by gRPC code");
  prometheus::Family<prometheus::Counter>& exits =
      Counter(registry, "worker_exits_total",
              "Workers that ended, by reason: drained, refused, stalled, crashed, vanished, other");
  WorkerExits worker_exits{[this](const std::string& reason) { exits.Add({{"reason", reason}}).Increment(); }};
  prometheus::Gauge& store_up =
      Gauge(registry, "store_up", "1 while the store answers and its disk takes what is written").Add({});
  prometheus::Gauge& leases_active = Gauge(registry, "leases_active", "Leases held now").Add({});

  Impl(const Clock& the_clock, StateStore& the_store) : clock(the_clock), store(the_store) {
    Gauge(registry, "build_info", "Always 1; what this process was built from")
        .Add({{"version", Version()}, {"revision", Commit()}, {"role", "server"}})
        .Set(1);
  }

  // Of the store, made anew at each scrape: a stage that has no task any more must not keep its last figure.
  std::string ScrapeQueue() {
    prometheus::Registry queue;
    if (const auto counts = store.CountTasks(); counts.ok()) {
      auto& tasks = Gauge(queue, "tasks", "Tasks by stage and state");
      for (const QueueCount& count : *counts)
        tasks.Add({{"stage", count.stage}, {"state", count.state}}).Set(static_cast<double>(count.tasks));
    }
    if (const auto counts = store.CountJobs(); counts.ok()) {
      auto& jobs = Gauge(queue, "jobs", "Jobs by state");
      for (const char* state : {"accepted", "running", "succeeded", "failed", "cancelled"})
        jobs.Add({{"state", state}});
      for (const StateStore::JobCount& count : *counts)
        jobs.Add({{"state", count.state}}).Set(static_cast<double>(count.jobs));
    }
    if (const auto workers = store.Workers(clock.Now()); workers.ok()) {
      auto& family = Gauge(queue, "workers", "Workers by state");
      for (const char* state : {"idle", "busy", "draining"}) family.Add({{"state", state}});
      for (const WorkerRecord& worker : *workers) {
        if (worker.stages.empty() && worker.seen_seconds_ago > kGoneSeconds) continue;
        family.Add({{"state", worker.draining ? "draining" : worker.stages.empty() ? "idle" : "busy"}}).Increment();
      }
    }
    return prometheus::TextSerializer().Serialize(queue.Collect());
  }
};

ServerMetrics::ServerMetrics(const Clock& clock, StateStore& store) : impl_(std::make_unique<Impl>(clock, store)) {}
ServerMetrics::~ServerMetrics() = default;

void ServerMetrics::Rpc(const std::string& method, const std::string& code, double seconds) {
  impl_->handled.Add({{"method", method}, {"code", code}}).Increment();
  impl_->handling.Add({{"method", method}}, kRpcSeconds).Observe(seconds);
}
void ServerMetrics::LeasesGranted(int count) { impl_->granted.Increment(count); }
void ServerMetrics::Renewed(int held, int lost) {
  impl_->renewals.Add({{"result", "ok"}}).Increment(held - lost);
  impl_->renewals.Add({{"result", "lost"}}).Increment(lost);
}
void ServerMetrics::LostLeaseRejected(const std::string& operation) {
  impl_->rejections.Add({{"op", operation}}).Increment();
}
void ServerMetrics::TaskCompleted(const std::string& stage) { impl_->completed.Add({{"stage", stage}}).Increment(); }
void ServerMetrics::AttemptFailed(const std::string& reason) { impl_->failed.Add({{"reason", reason}}).Increment(); }
void ServerMetrics::LeasesExpired(int count) { impl_->expired.Increment(count); }
void ServerMetrics::WorkerHeard(const std::string& session) { impl_->worker_exits.Heard(session, impl_->clock.Now()); }
void ServerMetrics::WorkerExited(const std::string& session, const std::string& reason) {
  impl_->worker_exits.Exited(session, reason, impl_->clock.Now());
}
void ServerMetrics::LookForVanished() { impl_->worker_exits.LookForVanished(impl_->clock.Now()); }

std::string ServerMetrics::Scrape() {
  impl_->store_up.Set(impl_->store.Ping().ok() ? 1 : 0);
  if (const auto leases = impl_->store.CountActiveLeases(); leases.ok())
    impl_->leases_active.Set(static_cast<double>(*leases));
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect()) + impl_->ScrapeQueue();
}

}  // namespace sub1quant
