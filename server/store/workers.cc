#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "server/store/sqlite_store_impl.h"

namespace sub1quant {
namespace {

// A worker that was not seen for so long is forgotten when the server starts.
constexpr double kForgetSeconds = 30 * 24 * 3600.0;

}  // namespace

absl::Status SqliteStore::LoadWorkers(SteadyTime now) {
  const double wall = WallSeconds();
  SUB1QUANT_RETURN_IF_ERROR(database_
                                ->Execute("DELETE FROM worker WHERE last_seen < ? AND session NOT IN "
                                          "(SELECT session FROM attempt WHERE state = 'active')",
                                          wall - kForgetSeconds)
                                .status());
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement,
                             database_->Query("SELECT session, name, device, version, last_seen FROM worker"));
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return absl::OkStatus();
    const WorkerId worker{statement.Bytes(1), statement.Bytes(0), statement.Bytes(2), statement.Bytes(3)};
    // Only for people, and the wall clock may have jumped: bounded, so that no arithmetic can overflow.
    const std::chrono::duration<double> ago(std::clamp(wall - statement.Real(4), 0.0, kForgetSeconds));
    seen_[worker.session] = {worker, now - std::chrono::duration_cast<SteadyTime::duration>(ago)};
  }
}

absl::Status SqliteStore::Meet(const WorkerId& worker, SteadyTime now) {
  const auto known = seen_.find(worker.session);
  if (known != seen_.end()) {
    const WorkerId& before = known->second.worker;
    known->second.at = std::max(known->second.at, now);
    if (before.name == worker.name && before.device == worker.device && before.version == worker.version)
      return absl::OkStatus();
  }
  SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Begin());
  SUB1QUANT_RETURN_IF_ERROR(
      database_
          ->Execute("INSERT INTO worker(session, name, device, version, last_seen) VALUES (?1, ?2, ?3, ?4, ?5) "
                    "ON CONFLICT(session) DO UPDATE SET name = ?2, device = ?3, version = ?4, last_seen = ?5",
                    worker.session, worker.name, worker.device, worker.version, WallSeconds())
          .status());
  SUB1QUANT_RETURN_IF_ERROR(Commit(transaction));
  seen_[worker.session] = {worker, now};
  return absl::OkStatus();
}

absl::StatusOr<bool> SqliteStore::Draining(const std::string& session) {
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement,
                             database_->Query("SELECT draining FROM worker WHERE session = ?", session));
  SUB1QUANT_ASSIGN_OR_RETURN(const bool found, statement.Step());
  return found && statement.Integer(0) != 0;
}

absl::StatusOr<bool> SqliteStore::IsDraining(const WorkerId& worker) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return Draining(worker.session);
}

absl::Status SqliteStore::DrainWorker(const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Begin());
  SUB1QUANT_ASSIGN_OR_RETURN(const int64_t marked,
                             database_->Execute("UPDATE worker SET draining = 1 WHERE name = ?", name));
  if (marked == 0) return absl::NotFoundError(absl::StrCat("no worker '", name, "'"));
  return Commit(transaction);
}

absl::StatusOr<std::vector<WorkerRecord>> SqliteStore::Workers(SteadyTime now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::map<std::string, std::vector<std::string>> stages;  // by session
  SUB1QUANT_ASSIGN_OR_RETURN(
      Statement held,
      database_->Query("SELECT attempt.session, stage.name FROM attempt JOIN task ON task.id = attempt.task "
                       "JOIN stage ON stage.job = task.job AND stage.seq = task.stage_seq "
                       "WHERE attempt.state = 'active' ORDER BY attempt.rowid"));
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool row, held.Step());
    if (!row) break;
    stages[held.Bytes(0)].push_back(held.Bytes(1));
  }
  SUB1QUANT_ASSIGN_OR_RETURN(
      Statement statement, database_->Query("SELECT session, tasks_done, draining FROM worker ORDER BY name, session"));
  std::vector<WorkerRecord> workers;
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return workers;
    const std::string session = statement.Bytes(0);
    const Seen& seen = seen_.at(session);
    workers.push_back({seen.worker.name, session, seen.worker.device, seen.worker.version, statement.Integer(1),
                       statement.Integer(2) != 0, std::max(0.0, std::chrono::duration<double>(now - seen.at).count()),
                       stages[session]});
  }
}

}  // namespace sub1quant
