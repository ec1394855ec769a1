// A worker's world under the test's thumb: a clock that moves when told, a pause that moves it, and a server that keeps
// leases and can be away or lose its answers.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "tests/support/manual_clock.h"
#include "worker/loop.h"

namespace sub1quant::testing {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ManualPause final : public Pause {
 public:
  explicit ManualPause(ManualClock& clock) : clock_(clock) {}
  void WaitUntil(SteadyTime until) override {
    SUB1QUANT_CHECK(waits.size() < 10'000);  // a loop that does not end
    waits.push_back(std::chrono::ceil<milliseconds>(until - clock_.Now()));
    if (waits.back() > milliseconds(0)) clock_.Advance(waits.back());
    if (on_wait) on_wait();
  }
  void Wake() override {}

  std::vector<milliseconds> waits;
  std::function<void()> on_wait;

 private:
  ManualClock& clock_;
};

class CountingIds final : public IdGenerator {
 public:
  std::string NewId() override { return absl::StrCat("request-", ++count_); }

 private:
  int count_ = 0;
};

// Grants its tasks in order, then says drain. Leases do not run out by themselves: tests take them away.
class FakeCoordinator final : public Coordinator {
 public:
  static constexpr milliseconds kTtl{30'000};

  // Knobs.
  bool up = true;
  bool full = false;             // its store cannot be written
  int lose_replies = 0;          // of the next calls: the effect happens, the answer is lost
  absl::Status refuse_acquire;   // if not OK
  absl::Status refuse_complete;  // if not OK
  bool drain_in_renewal = false;
  bool one_at_a_time = false;
  std::set<std::string> lost;  // lease ids

  // What happened.
  std::vector<std::string> completed;                        // lease ids, each effect once
  std::vector<std::pair<std::string, absl::Status>> failed;  // lease id, failure
  std::vector<std::vector<std::string>> released;
  std::vector<std::string> exits;
  std::vector<std::vector<Held>> renewals;
  std::map<std::string, int> calls;  // by name, answered or not
  bool stopped = false;

  void AddTask(absl::StatusOr<Task> task = Task(SearchTask()), double expected_seconds = 0) {
    tasks_.push_back(std::move(task));
    expected_.push_back(expected_seconds);
  }

  absl::StatusOr<Acquired> Acquire(const AcquireCall& call) override {
    ++calls["acquire"];
    if (stopped) return absl::CancelledError("stopped");
    if (!up) return Away();
    if (full) return absl::ResourceExhaustedError("store.db: database or disk is full");
    if (!refuse_acquire.ok()) return refuse_acquire;
    Acquired& answer = grants_[call.request_id];
    if (answer.leases.empty() && !answer.drain) answer = Grant(one_at_a_time ? 1 : call.max_tasks);
    if (LoseReply()) return Away();
    return answer;
  }
  void StopAcquiring() override { stopped = true; }

  absl::StatusOr<Renewal> Renew(const std::vector<Held>& leases, milliseconds) override {
    ++calls["renew"];
    if (!up) return Away();
    renewals.push_back(leases);
    Renewal renewal;
    renewal.ttl = kTtl;
    renewal.drain = drain_in_renewal;
    for (const Held& held : leases) {
      if (lost.count(held.lease_id) > 0) renewal.lost.push_back(held.lease_id);
    }
    return renewal;
  }

  absl::Status Complete(const std::string& id, const TaskResult&, double) override {
    ++calls["complete"];
    if (!up) return Away();
    if (full) return absl::ResourceExhaustedError("store.db: database or disk is full");
    if (!refuse_complete.ok()) return refuse_complete;
    if (lost.count(id) > 0) return absl::FailedPreconditionError("lease lost");
    if (std::find(completed.begin(), completed.end(), id) == completed.end()) completed.push_back(id);
    return LoseReply() ? Away() : absl::OkStatus();
  }

  absl::Status Fail(const std::string& id, const absl::Status& failure) override {
    ++calls["fail"];
    if (!up) return Away();
    failed.emplace_back(id, failure);
    return LoseReply() ? Away() : absl::OkStatus();
  }

  absl::Status Release(const std::vector<std::string>& ids, const std::string& exit_reason) override {
    ++calls["release"];
    if (!up) return Away();
    if (full) return absl::ResourceExhaustedError("store.db: database or disk is full");
    released.push_back(ids);
    if (!exit_reason.empty()) exits.push_back(exit_reason);
    return absl::OkStatus();
  }

 private:
  static absl::Status Away() { return absl::UnavailableError("connection refused"); }
  bool LoseReply() { return lose_replies > 0 && lose_replies-- > 0; }
  Acquired Grant(int max_tasks) {
    Acquired grant;
    while (next_ < tasks_.size() && static_cast<int>(grant.leases.size()) < max_tasks) {
      ++next_;
      grant.leases.push_back({absl::StrCat("lease-", next_), kTtl, tasks_[next_ - 1], absl::StrCat("task ", next_), 1,
                              expected_[next_ - 1]});
    }
    grant.drain = grant.leases.empty();
    return grant;
  }

  std::vector<absl::StatusOr<Task>> tasks_;
  std::vector<double> expected_;
  size_t next_ = 0;
  std::map<std::string, Acquired> grants_;  // by request id
};

class FakeExecutor final : public Executor {
 public:
  std::function<absl::StatusOr<TaskResult>(int call, TaskContext& context)> body = [](int, TaskContext&) {
    return TaskResult(SearchResult());
  };
  int calls = 0;

  absl::StatusOr<TaskResult> Execute(const Task&, TaskContext& context) override { return body(++calls, context); }
  std::string LoadedModel() const override { return "model/manifest"; }
};

class RecordingMetrics final : public WorkerMetrics {
 public:
  std::vector<std::string> ended;  // "stage result"
  std::vector<bool> reachable, full;

  void TaskEnded(const std::string& stage, const std::string& result, double) override {
    ended.push_back(absl::StrCat(stage, " ", result));
  }
  void TensorDone(const std::string&, uint64_t, uint64_t, uint64_t) override {}
  void Scored(const std::string&, uint64_t, uint64_t) override {}
  void Renewed(const std::string&) override {}
  void KernelRefused(const std::string&, const std::string&) override {}
  void ServerReachable(bool answer) override { reachable.push_back(answer); }
  void StoreFull(bool answer) override { full.push_back(answer); }
};

// A loop on one thread: the executor's body plays the time that passes and calls RenewDue itself.
struct LoopWorld {
  ManualClock clock;
  ManualPause work_pause{clock}, renew_pause{clock};
  CountingIds ids;
  FakeCoordinator server;
  FakeExecutor executor;
  RecordingMetrics metrics;
  int stalls = 0;
  WorkerLoop loop{{clock, work_pause, renew_pause, ids, server, executor, metrics}, Options()};

  WorkerLoop::Options Options() {
    WorkerLoop::Options options;
    options.on_stall = [this] { ++stalls; };
    return options;
  }
};

}  // namespace sub1quant::testing
