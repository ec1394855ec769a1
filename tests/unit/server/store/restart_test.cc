#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/unit/server/store/fixture.h"

namespace sub1quant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RestartTest : public StoreTest {};

TEST_F(RestartTest, EverythingIsStillThere) {
  StartJob("a", Tasks(2));
  const GrantedLease done = AcquireOne("w"), held = AcquireOne("w");
  ASSERT_TRUE(store_->Complete(Worker("w"), done.lease_id, "r", 2).ok());
  ASSERT_TRUE(store_->DrainWorker("w").ok());
  const std::vector<std::string> kinds = EventKinds("a");
  clock_.Advance(std::chrono::seconds(10));
  Reopen();
  EXPECT_EQ(EventKinds("a"), kinds);
  EXPECT_EQ(store_->GetJob("a").value().state, JobState::kRunning);
  EXPECT_EQ(Stage("a").done, 1);
  EXPECT_TRUE(store_->IsDraining(Worker("w")).value());
  EXPECT_EQ(store_->Workers(clock_.Now()).value().at(0).seen_seconds_ago, 10);
  EXPECT_TRUE(store_->Complete(Worker("w"), done.lease_id, "r", 2).ok());  // its answer was lost
  EXPECT_TRUE(store_->Complete(Worker("w"), held.lease_id, "r", 2).ok());
  EXPECT_EQ(Stage("a").state, "done");
}

TEST_F(RestartTest, LeasesGetAFullTimeToLive) {
  StartJob("a", Tasks(1));
  const GrantedLease lease = AcquireOne("w");
  clock_.Advance(std::chrono::hours(5));  // the server was away
  Reopen();
  EXPECT_EQ(Expire(), 0);
  clock_.Advance(std::chrono::milliseconds(29999));
  EXPECT_EQ(Expire(), 0);
  EXPECT_THAT(Lost("w", {lease.lease_id}), IsEmpty());
  clock_.Advance(std::chrono::seconds(30));
  EXPECT_EQ(Expire(), 1);
  Reopen();
  EXPECT_THAT(Lost("w", {lease.lease_id}), ElementsAre(lease.lease_id));
}

TEST_F(RestartTest, ASecondServerIsRefused) {
  const auto second = Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(directory_));
  EXPECT_TRUE(store_->Ping().ok());
  store_.reset();
  EXPECT_TRUE(Open().ok());
}

TEST_F(RestartTest, ANewerSchemaIsRefusedAndLeftAlone) {
  store_.reset();
  const std::string path = directory_ + "/store.db";
  ASSERT_TRUE(Database::Open(path).value()->RunScript("PRAGMA user_version = 2").ok());
  const auto store = Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(store.status())) << store.status();
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("schema 2"));
  ASSERT_TRUE(Database::Open(path).value()->RunScript("PRAGMA user_version = 1").ok());
  EXPECT_TRUE(Open().ok());
}

TEST_F(RestartTest, AFileThatIsNoDatabaseIsDataLoss) {
  store_.reset();
  std::filesystem::remove(directory_ + "/store.db-wal");
  std::filesystem::resize_file(directory_ + "/store.db", 0);
  std::FILE* file = std::fopen((directory_ + "/store.db").c_str(), "w");
  for (int i = 0; i < 2000; ++i) std::fputs("not a database ", file);
  std::fclose(file);
  EXPECT_TRUE(absl::IsDataLoss(Open().status())) << Open().status();
}

TEST_F(RestartTest, OthersMayNotReadLeaseIds) {
  StartJob("a", Tasks(1));
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    struct stat info {};
    ASSERT_EQ(stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 077, 0u) << entry.path();
  }
}

// No file of this process may grow: the nearest to a full disk that a test has.
class NoRoom {
 public:
  NoRoom() {
    handler_ = signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit_);
    const rlimit none{0, limit_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &none);
  }
  ~NoRoom() {
    setrlimit(RLIMIT_FSIZE, &limit_);
    signal(SIGXFSZ, handler_);
  }

 private:
  rlimit limit_{};
  void (*handler_)(int);
};

TEST_F(RestartTest, AStoreThatCannotWriteIsNotReadyUntilItCan) {
  StartJob("a", Tasks(2));
  EXPECT_TRUE(store_->Ping().ok());
  {
    const NoRoom no_room;
    EXPECT_FALSE(store_->Acquire({Worker("w"), {"search"}, 1, "", ""}, clock_.Now()).ok());
    EXPECT_FALSE(store_->Ping().ok()) << "it can be read, but takes nothing";
    EXPECT_FALSE(store_->Ping().ok());
    EXPECT_EQ(store_->GetJob("a").value().state, JobState::kRunning);
  }
  EXPECT_TRUE(store_->Ping().ok());
  const GrantedLease lease = AcquireOne("w");
  EXPECT_EQ(lease.attempt, 1) << "the lease that could not be written is no attempt";
  EXPECT_TRUE(store_->Complete(Worker("w"), lease.lease_id, "r", 1).ok());
}

TEST(SqliteTest, AFullDiskIsResourceExhaustedAndRollsBack) {
  const auto database = Database::Open(":memory:").value();
  ASSERT_TRUE(database->RunScript("CREATE TABLE t(x); PRAGMA max_page_count = 10").ok());
  const std::string large(1 << 20, 'x');
  {
    auto transaction = Transaction::Begin(*database).value();
    ASSERT_TRUE(database->Execute("INSERT INTO t VALUES (?)", 1).ok());
    EXPECT_TRUE(transaction.Changed());
    const absl::Status status = database->Execute("INSERT INTO t VALUES (?)", Blob{large}).status();
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  }
  auto statement = database->Query("SELECT count(*) FROM t").value();
  EXPECT_TRUE(statement.Step().value());
  EXPECT_EQ(statement.Integer(0), 0);
}

}  // namespace
}  // namespace sub1quant
