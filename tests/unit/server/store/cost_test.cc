// What the server asks of its store several times a second, whether or not anything happens: its price must not grow
// with the jobs that have ended. SQLite's own count of steps is the measure, the same on every machine.
#include <functional>

#include "server/store/schema.h"
#include "server/store/sqlite_store_impl.h"
#include "tests/unit/server/store/fixture.h"

namespace sub1quant {
namespace {

class CostTest : public StoreTest {
 protected:
  CostTest() {
    store_.reset();
    auto database = Database::Open(directory_ + "/store.db").value();
    EXPECT_TRUE(PrepareSchema(*database).ok());
    EXPECT_TRUE(database->RunScript("PRAGMA synchronous = OFF").ok());  // nothing crashes here
    database_ = database.get();
    store_ = std::make_unique<SqliteStore>(clock_, ids_, std::chrono::seconds(30),
                                           DirectoryLock::Take(directory_).value(), std::move(database));
  }

  // With everything that a job leaves behind: tasks, attempts, results, events, a warning.
  void EndedJob(const std::string& id) {
    StartJob(id, Tasks(10));
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(store_->Complete(Worker("w"), AcquireOne("w").lease_id, "r", 1).ok());
    ASSERT_TRUE(store_->EndJob(id, JobState::kSucceeded, absl::OkStatus(), {}).ok());
  }
  void EndedJobs(int count) {
    for (int i = 0; i < count; ++i) EndedJob("ended-" + std::to_string(++ended_));
  }
  int64_t StepsOf(const std::function<void()>& work) {
    work();  // prepares the statements
    const int64_t before = database_->Steps();
    work();
    return database_->Steps() - before;
  }

  Database* database_;
  int ended_ = 0;
};

TEST_F(CostTest, EndedJobsCostThePassOfTheConductorNothing) {
  StartJob("running", Tasks(3));
  const GrantedLease held = AcquireOne("w");
  JobRecord accepted;
  accepted.id = accepted.idempotency_key = "accepted";
  ASSERT_TRUE(store_->CreateJob(accepted, {{"work", 0}}).ok());
  const auto pass = [&] {
    EXPECT_EQ(Expire(), 0);
    EXPECT_EQ(store_->ActiveJobs().value().size(), 2u);
  };
  const auto poll = [&] {
    EXPECT_TRUE(store_->Acquire({Worker("v"), {"export"}, 1, "", ""}, clock_.Now()).value().empty());
    EXPECT_EQ(store_->Renew(Worker("w"), {held.lease_id}, clock_.Now()).value().lost.size(), 0u);
  };
  ASSERT_TRUE(store_->RequestCancel("running").ok());  // its tasks are not handed out to the jobs that follow
  const int64_t pass_before = StepsOf(pass), poll_before = StepsOf(poll);
  EndedJobs(30);
  EXPECT_EQ(StepsOf(pass), pass_before);
  EXPECT_EQ(StepsOf(poll), poll_before);
}

// The measure measures: the list of all jobs does grow.
TEST_F(CostTest, AListOfAllJobsCostsEveryJob) {
  const auto list = [&] { EXPECT_TRUE(store_->ListJobs().ok()); };
  EndedJobs(1);
  const int64_t before = StepsOf(list);
  EndedJobs(20);
  EXPECT_GT(StepsOf(list), 10 * before);
}

}  // namespace
}  // namespace sub1quant
