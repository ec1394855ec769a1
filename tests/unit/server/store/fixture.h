// A store in a directory that goes away with the test, a clock in the test's hand, and short words for the long calls.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/sqlite.h"
#include "server/store/sqlite_store.h"
#include "tests/support/manual_clock.h"

namespace sub1quant {

class CountingIds final : public IdGenerator {
 public:
  std::string NewId() override { return "lease-" + std::to_string(++last_); }

 private:
  int last_ = 0;
};

inline WorkerId Worker(const std::string& name) { return {name, "session-" + name, "cpu", "1"}; }

// Ordinals, descriptions and action keys by number.
inline NewTask Task(int64_t ordinal, const std::string& operation = "search", double cost = 1) {
  NewTask task;
  task.ordinal = ordinal;
  task.operation = operation;
  task.action_key = operation + "-key-" + std::to_string(ordinal);
  task.cost = cost;
  task.description = operation + " " + std::to_string(ordinal);
  task.payload = "payload " + std::to_string(ordinal);
  return task;
}

inline std::vector<NewTask> Tasks(int count, const std::string& operation = "search") {
  std::vector<NewTask> tasks;
  for (int i = 0; i < count; ++i) tasks.push_back(Task(i, operation));
  return tasks;
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    std::string name = std::filesystem::temp_directory_path() / "sub1quant-store-XXXXXX";
    directory_ = mkdtemp(name.data());
    Reopen();
  }
  ~StoreTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  absl::StatusOr<std::unique_ptr<StateStore>> Open() {
    return OpenSqliteStore(clock_, ids_, {directory_, std::chrono::seconds(30)});
  }
  void Reopen() {
    store_.reset();
    auto store = Open();
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = std::move(*store);
  }

  // A job with one stage of the given tasks, running. The stage's name is "work".
  void StartJob(const std::string& id, const std::vector<NewTask>& tasks) {
    JobRecord job;
    job.id = job.idempotency_key = id;
    job.specification = "{}";
    ASSERT_TRUE(store_->CreateJob(job, {{"work", 0}}).ok());
    const absl::Status status = store_->StartStage(id, {"work", 0}, tasks);
    ASSERT_TRUE(status.ok()) << status;
  }

  std::vector<GrantedLease> Acquire(const std::string& worker, int max_tasks = 1, const std::string& request_id = "",
                                    const std::string& loaded_model = "") {
    const auto leases = store_->Acquire(
        {Worker(worker), {"search", "pack", "score", "export"}, max_tasks, loaded_model, request_id}, clock_.Now());
    EXPECT_TRUE(leases.ok()) << leases.status();
    return leases.ok() ? *leases : std::vector<GrantedLease>();
  }
  // Exactly one lease.
  GrantedLease AcquireOne(const std::string& worker) {
    const std::vector<GrantedLease> leases = Acquire(worker);
    EXPECT_EQ(leases.size(), 1u);
    return leases.empty() ? GrantedLease() : leases[0];
  }
  std::vector<std::string> Lost(const std::string& worker, const std::vector<std::string>& leases) {
    const auto answer = store_->Renew(Worker(worker), leases, clock_.Now());
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? answer->lost : std::vector<std::string>();
  }
  int Expire() {
    const auto expired = store_->ExpireLeases(clock_.Now());
    EXPECT_TRUE(expired.ok()) << expired.status();
    return expired.value_or(-1);
  }
  StageRecord Stage(const std::string& job) { return store_->Stages(job).value().at(0); }
  std::vector<std::string> EventKinds(const std::string& job) {
    std::vector<std::string> kinds;
    const auto events = store_->Events(job, 0, 10000).value();
    for (const EventRecord& event : events) kinds.push_back(event.kind);
    return kinds;
  }
  static std::vector<std::string> Descriptions(const std::vector<GrantedLease>& leases) {
    std::vector<std::string> descriptions;
    for (const GrantedLease& lease : leases) descriptions.push_back(lease.description);
    return descriptions;
  }

  std::string directory_;
  testing::ManualClock clock_;
  CountingIds ids_;
  std::unique_ptr<StateStore> store_;
};

}  // namespace sub1quant
