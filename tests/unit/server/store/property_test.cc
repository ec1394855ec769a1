// Many workers, late and repeated messages, crashes and expiries in a seeded order; then the rules are read off the
// tables, not off the store's own answers.
#include <map>
#include <random>
#include <set>

#include "tests/unit/server/store/fixture.h"

namespace sub1quant {
namespace {

constexpr int kTasks = 200;

class PropertyTest : public StoreTest, public ::testing::WithParamInterface<int> {
 protected:
  struct Held {
    std::string worker;
    GrantedLease lease;
  };

  int Random(int below) { return static_cast<int>(random_() % static_cast<uint64_t>(below)); }
  std::string AnyWorker() { return "w" + std::to_string(Random(6)); }
  // Half of the messages are about leases that may be long over, and some come from the wrong worker.
  const Held& AnyLease() {
    return seen_[seen_.size() - 1 - static_cast<size_t>(Random(static_cast<int>(std::min<size_t>(seen_.size(), 40))))];
  }
  static std::string ResultOf(const GrantedLease& lease) { return "result of " + lease.payload; }

  void Complete(const Held& held, const std::string& worker) {
    const absl::StatusOr<bool> changed = store_->Complete(Worker(worker), held.lease.lease_id, ResultOf(held.lease), 1);
    if (!changed.ok()) {
      EXPECT_TRUE(absl::IsFailedPrecondition(changed.status())) << changed.status();
      return;
    }
    EXPECT_EQ(worker, held.worker);
    const auto [winner, first] = winners_.emplace(held.lease.payload, held.lease.lease_id);
    EXPECT_EQ(winner->second, held.lease.lease_id) << "a second winner";
    EXPECT_EQ(*changed, first);
    if (first) ++wins_;
  }
  void Acquire() {
    const std::string worker = AnyWorker();
    const std::string request = Random(3) == 0 ? "r" + std::to_string(Random(4)) : "";
    for (const GrantedLease& lease : StoreTest::Acquire(worker, 1 + Random(4), request)) {
      EXPECT_EQ(winners_.count(lease.payload), 0u) << "a done task was leased";
      seen_.push_back({worker, lease});
    }
  }
  void Act() {
    const int choice = Random(100);
    if (seen_.empty() || choice < 35) return Acquire();
    const Held held = AnyLease();
    const std::string worker = Random(10) == 0 ? AnyWorker() : held.worker;
    if (choice < 65) return Complete(held, worker);
    if (choice < 68) return (void)store_->Fail(Worker(worker), held.lease.lease_id, absl::InternalError("x"), false);
    if (choice < 76) return (void)Lost(worker, {held.lease.lease_id});
    if (choice < 80) return (void)store_->Release(Worker(worker), {held.lease.lease_id});
    if (choice < 81) return (void)store_->Release(Worker(worker), {});
    if (choice < 90) return clock_.Advance(std::chrono::milliseconds(Random(4000)));
    if (choice < 99) return (void)Expire();
    Reopen();
  }

  int64_t Count(const std::string& sql) {
    auto statement = database_->Query(sql).value();
    EXPECT_TRUE(statement.Step().value()) << sql;
    return statement.Integer(0);
  }
  void CheckTables() {
    store_.reset();
    database_ = Database::Open(directory_ + "/store.db").value();
    const int64_t done = Count("SELECT count(*) FROM task WHERE state = 'done'");
    EXPECT_EQ(done, wins_);
    EXPECT_EQ(done, Count("SELECT count(*) FROM attempt WHERE state = 'won'"));
    EXPECT_EQ(done, Count("SELECT count(DISTINCT task) FROM attempt WHERE state = 'won'"));
    EXPECT_EQ(done, Count("SELECT sum(done) FROM stage"));
    EXPECT_EQ(done, Count("SELECT sum(cost_done) FROM stage"));
    EXPECT_EQ(done, Count("SELECT count(*) FROM event WHERE kind = 'task_done'"));
    EXPECT_EQ(done, Count("SELECT count(*) FROM result"));
    EXPECT_EQ(done, Count("SELECT sum(tasks_done) FROM worker"));
    EXPECT_EQ(kTasks, Count("SELECT count(*) FROM task"));
    EXPECT_EQ(Count("SELECT count(*) FROM task WHERE state = 'leased'"),
              Count("SELECT count(*) FROM attempt WHERE state = 'active'"));
    EXPECT_EQ(0, Count("SELECT count(*) FROM task WHERE state = 'leased' AND id NOT IN "
                       "(SELECT task FROM attempt WHERE state = 'active')"));
    EXPECT_EQ(0, Count("SELECT count(*) FROM task WHERE (state = 'quarantined') <> (attempts >= 3)"));
    EXPECT_EQ(0, Count("SELECT count(*) FROM task WHERE attempts <> (SELECT count(*) FROM attempt "
                       "WHERE attempt.task = task.id AND attempt.state IN ('failed', 'expired'))"));
    EXPECT_EQ(0, Count("SELECT count(*) FROM event WHERE kind = 'result_mismatch'"));
    EXPECT_EQ(Count("SELECT count(*) FROM stage WHERE state = 'done'"),
              Count("SELECT count(*) FROM event WHERE kind = 'stage_done'"));
    EXPECT_EQ(0, Count("SELECT count(*) FROM stage WHERE (state = 'done') <> (done = total)"));
    EXPECT_EQ(0, Count("SELECT count(*) FROM pragma_foreign_key_check"));
    EXPECT_EQ(1, Count("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"));
    database_.reset();
  }

  std::mt19937_64 random_;
  std::vector<Held> seen_;
  std::map<std::string, std::string> winners_;  // payload → lease
  int64_t wins_ = 0;
  std::unique_ptr<Database> database_;
};

TEST_P(PropertyTest, AnyOrderKeepsTheRules) {
  SCOPED_TRACE(::testing::Message() << "seed " << GetParam());
  random_.seed(static_cast<uint64_t>(GetParam()));
  StartJob("job", Tasks(kTasks));
  for (int step = 0; step < 900; ++step) Act();
  CheckTables();
  // Liveness: with workers that behave, what is left ends, except what is quarantined.
  Reopen();
  for (int round = 0; round < 2 * kTasks; ++round) {
    const std::vector<GrantedLease> leases = StoreTest::Acquire("good", 4);
    for (const GrantedLease& lease : leases) {
      seen_.push_back({"good", lease});
      Complete(seen_.back(), "good");
    }
    if (leases.empty() && store_->CountActiveLeases().value() == 0) break;
    if (!leases.empty()) continue;
    clock_.Advance(std::chrono::seconds(31));
    Expire();
  }
  CheckTables();
  Reopen();
  const auto counts = store_->CountTasks().value();
  for (const QueueCount& count : counts) EXPECT_THAT(count.state, ::testing::AnyOf("done", "quarantined"));
}

INSTANTIATE_TEST_SUITE_P(Seeds, PropertyTest, ::testing::Range(1, 5));

}  // namespace
}  // namespace sub1quant
