#include "server/store/sqlite_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/file.h"
#include "core/status.h"
#include "server/store/schema.h"
#include "server/store/sqlite_store_impl.h"

namespace sub1quant {
namespace {

// The database holds lease ids, which are secrets: SQLite gives its other files the mode of this one.
absl::Status CreatePrivately(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return ErrnoStatus(errno, path);
  close(descriptor);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<DirectoryLock>> DirectoryLock::Take(const std::string& directory) {
  const std::string path = directory + "/store.lock";
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return ErrnoStatus(errno, path);
  std::unique_ptr<DirectoryLock> lock(new DirectoryLock(descriptor));
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return ErrnoStatus(errno, path);
  return absl::FailedPreconditionError(
      absl::StrCat(directory, ": another server holds this directory; stop it or use another directory"));
}

DirectoryLock::~DirectoryLock() { close(descriptor_); }

SqliteStore::SqliteStore(const Clock& clock, IdGenerator& ids, std::chrono::milliseconds lease_ttl,
                         std::unique_ptr<DirectoryLock> directory_lock, std::unique_ptr<Database> database)
    : clock_(clock),
      ids_(ids),
      lease_ttl_(lease_ttl),
      directory_lock_(std::move(directory_lock)),
      database_(std::move(database)) {}

absl::Status SqliteStore::Load() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const SteadyTime now = clock_.Now();
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<std::string> active, ActiveLeases(""));
  for (const std::string& lease_id : active) deadlines_[lease_id] = now + lease_ttl_;
  return LoadWorkers(now);
}

absl::Status SqliteStore::Commit(Transaction& transaction) {
  const bool changed = transaction.Changed();
  SUB1QUANT_RETURN_IF_ERROR(transaction.Commit());
  written_ = changed;
  if (!changed) return absl::OkStatus();
  {
    const std::lock_guard<std::mutex> lock(change_mutex_);
    ++changes_;
  }
  change_.notify_all();
  return absl::OkStatus();
}

double SqliteStore::WallSeconds() const {
  return std::chrono::duration<double>(clock_.WallNow().time_since_epoch()).count();
}

uint64_t SqliteStore::ChangeCount() {
  const std::lock_guard<std::mutex> lock(change_mutex_);
  return changes_;
}

void SqliteStore::WaitForChange(uint64_t seen, std::chrono::milliseconds timeout) {
  std::unique_lock<std::mutex> lock(change_mutex_);
  change_.wait_for(lock, timeout, [&] { return changes_ != seen; });
}

absl::Status SqliteStore::Ping() {
  const std::lock_guard<std::mutex> lock(mutex_);
  {
    SUB1QUANT_ASSIGN_OR_RETURN(Statement statement, database_->Query("SELECT 1 FROM job LIMIT 1"));
    SUB1QUANT_RETURN_IF_ERROR(statement.Step().status());
  }
  if (written_) return absl::OkStatus();
  SUB1QUANT_RETURN_IF_ERROR(ProbeWrite(*database_));
  written_ = true;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<StateStore>> OpenSqliteStore(const Clock& clock, IdGenerator& ids,
                                                            const SqliteStoreOptions& options) {
  SUB1QUANT_RETURN_IF_ERROR(MakeDirectories(options.directory));
  SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<DirectoryLock> lock, DirectoryLock::Take(options.directory));
  const std::string path = options.directory + "/store.db";
  SUB1QUANT_RETURN_IF_ERROR(CreatePrivately(path));
  SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(path));
  if (const absl::Status status = PrepareSchema(*database); !status.ok()) return Annotate(status, options.directory);
  auto store = std::make_unique<SqliteStore>(clock, ids, options.lease_ttl, std::move(lock), std::move(database));
  SUB1QUANT_RETURN_IF_ERROR(store->Load());
  return store;
}

}  // namespace sub1quant
