#include <set>
#include <sstream>

#include "server/worker_exits.h"
#include "tests/unit/server/services/fixture.h"

namespace sub1quant {
namespace {

// Dashboards and alerts are written against these names and types: a change here is a change for operators.
const char* const kMetrics[] = {
    "sub1quant_attempts_failed_total counter",
    "sub1quant_build_info gauge",
    "sub1quant_jobs gauge",
    "sub1quant_lease_expired_total counter",
    "sub1quant_lease_lost_rejections_total counter",
    "sub1quant_lease_renewals_total counter",
    "sub1quant_leases_active gauge",
    "sub1quant_leases_granted_total counter",
    "sub1quant_rpc_server_handled_total counter",
    "sub1quant_rpc_server_handling_seconds histogram",
    "sub1quant_store_up gauge",
    "sub1quant_tasks gauge",
    "sub1quant_tasks_completed_total counter",
    "sub1quant_worker_exits_total counter",
    "sub1quant_workers gauge",
};

class MetricsTest : public ServiceTest {
 protected:
  std::vector<std::string> Types() {
    std::multiset<std::string> types;
    std::istringstream lines(metrics_->Scrape());
    const std::string prefix = "# TYPE ";
    for (std::string line; std::getline(lines, line);)
      if (line.rfind(prefix, 0) == 0) types.insert(line.substr(prefix.size()));
    return {types.begin(), types.end()};
  }
  void Exit(const std::string& session, const std::string& reason) {
    v1::ReleaseRequest request;
    *request.mutable_worker() = Identity(session);
    request.set_exit_reason(reason);
    EXPECT_TRUE(CallUnary(*workers_, &v1::WorkerService::Stub::Release, request, kTimeout).ok());
  }
  // One granted, renewed, completed, failed and refused.
  std::string SomeCalls() {
    const std::string job = StartSmallJob();
    const v1::Lease first = AcquireOne("s1", "search");
    EXPECT_TRUE(Renew("s1", first).ok());
    EXPECT_EQ(Complete("s2", first, Answer(first)).code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(Complete("s1", first, Answer(first)), absl::OkStatus());
    EXPECT_EQ(Fail("s1", AcquireOne("s1", "score"), 14, "out of memory"), absl::OkStatus());
    EXPECT_EQ(GetJob("none").status().code(), absl::StatusCode::kNotFound);
    AcquireOne("s1", "search");
    Exit("s2", "drained");
    return job;
  }
};

TEST_F(MetricsTest, NamesAndTypesAreThese) {
  SomeCalls();
  EXPECT_THAT(Types(), ::testing::ElementsAreArray(kMetrics));
}

TEST_F(MetricsTest, CallsAreCounted) {
  SomeCalls();
  const std::string text = metrics_->Scrape();
  for (const char* line :
       {"sub1quant_rpc_server_handled_total{code=\"OK\",method=\"SubmitJob\"} 1\n",
        "sub1quant_rpc_server_handled_total{code=\"NOT_FOUND\",method=\"GetJob\"} 1\n",
        "sub1quant_rpc_server_handling_seconds_count{method=\"Acquire\"} 3\n", "sub1quant_leases_granted_total 3\n",
        "sub1quant_lease_renewals_total{result=\"ok\"} 1\n", "sub1quant_lease_renewals_total{result=\"lost\"} 0\n",
        "sub1quant_lease_lost_rejections_total{op=\"complete\"} 1\n",
        "sub1quant_tasks_completed_total{stage=\"search\"} 1\n",
        "sub1quant_attempts_failed_total{reason=\"UNAVAILABLE\"} 1\n", "sub1quant_leases_active 1\n",
        "sub1quant_store_up 1\n", "sub1quant_jobs{state=\"running\"} 1\n",
        "sub1quant_tasks{stage=\"search\",state=\"done\"} 1\n",
        "sub1quant_tasks{stage=\"search\",state=\"leased\"} 1\n", "sub1quant_workers{state=\"busy\"} 1\n"})
    EXPECT_THAT(text, ::testing::HasSubstr(line));
}

// A worker whose answer was lost says the same again. Each call counts as a call, the attempt counts once.
TEST_F(MetricsTest, WhatIsSaidTwiceHappenedOnce) {
  StartSmallJob();
  const v1::Lease failed = AcquireOne("s1", "search"), done = AcquireOne("s1", "search");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Fail("s1", failed, 14, "out of memory"), absl::OkStatus());
    EXPECT_EQ(Complete("s1", done, Answer(done)), absl::OkStatus());
  }
  const std::string text = metrics_->Scrape();
  for (const char* line : {"sub1quant_attempts_failed_total{reason=\"UNAVAILABLE\"} 1\n",
                           "sub1quant_tasks_completed_total{stage=\"search\"} 1\n",
                           "sub1quant_rpc_server_handled_total{code=\"OK\",method=\"Fail\"} 2\n"})
    EXPECT_THAT(text, ::testing::HasSubstr(line));
}

TEST_F(MetricsTest, EveryWorkerThatEndsIsCountedOnceWithItsReason) {
  Exit("s1", "stalled");
  Exit("s1", "crashed");  // its supervisor, after its own word
  Exit("s2", "crashed");
  Exit("s3", "s3 was here");  // no label of a worker's making
  Acquire(AcquireRequest("silent", {"search"})).IgnoreError();
  clock_.Advance(WorkerExits::kSilence);
  conductor_->Step();
  EXPECT_THAT(metrics_->Scrape(), ::testing::Not(::testing::HasSubstr("vanished\"")));
  clock_.Advance(std::chrono::milliseconds(1));
  conductor_->Step();
  conductor_->Step();
  const std::string text = metrics_->Scrape();
  for (const char* line :
       {"{reason=\"stalled\"} 1\n", "{reason=\"crashed\"} 1\n", "{reason=\"other\"} 1\n", "{reason=\"vanished\"} 1\n"})
    EXPECT_THAT(text, ::testing::HasSubstr(std::string("sub1quant_worker_exits_total") + line));
}

// One that was paused and goes on is a worker again.
TEST_F(MetricsTest, AWorkerThatComesBackCanVanishAgain) {
  for (int i = 1; i <= 2; ++i) {
    Acquire(AcquireRequest("s1", {"search"})).IgnoreError();
    clock_.Advance(WorkerExits::kSilence + std::chrono::seconds(1));
    conductor_->Step();
    EXPECT_THAT(metrics_->Scrape(),
                ::testing::HasSubstr("sub1quant_worker_exits_total{reason=\"vanished\"} " + std::to_string(i)));
  }
}

TEST_F(MetricsTest, NoLabelNamesAJobAWorkerOrATensor) {
  const std::string job = SomeCalls();
  const std::string text = metrics_->Scrape();
  for (const std::string& secret : {job, std::string("worker-s1"), std::string("gemma4-tiny"), std::string("weight")})
    EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr(secret)));
}

}  // namespace
}  // namespace sub1quant
