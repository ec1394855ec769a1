#include <algorithm>

#include "core/status.h"
#include "server/store/sqlite_store_impl.h"

namespace sub1quant {

absl::Status SqliteStore::AddEvent(const std::string& job, const std::string& kind, const StageKey& stage,
                                   const std::string& message) {
  return database_
      ->Execute("INSERT INTO event(job, at, kind, stage, target, message) VALUES (?, ?, ?, ?, ?, ?)", job,
                WallSeconds(), kind, stage.name, stage.target, message)
      .status();
}

absl::StatusOr<std::vector<EventRecord>> SqliteStore::Events(const std::string& job, int64_t after, int limit) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_RETURN_IF_ERROR(StateOf(job).status());
  SUB1QUANT_ASSIGN_OR_RETURN(
      Statement statement,
      database_->Query(
          "SELECT seq, at, kind, stage, message, target FROM event WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?", job,
          after, std::max(limit, 0)));  // SQLite takes a negative one for "all"
  std::vector<EventRecord> events;
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return events;
    events.push_back({statement.Integer(0), statement.Real(1), statement.Bytes(2), statement.Bytes(3),
                      statement.Bytes(4), static_cast<int>(statement.Integer(5))});
  }
}

absl::StatusOr<std::vector<QueueCount>> SqliteStore::CountTasks() {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(
      Statement statement,
      database_->Query("SELECT stage.name, task.state, count(*) FROM task JOIN stage ON stage.job = task.job "
                       "AND stage.seq = task.stage_seq GROUP BY 1, 2 ORDER BY 1, 2"));
  std::vector<QueueCount> counts;
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return counts;
    counts.push_back({statement.Bytes(0), statement.Bytes(1), statement.Integer(2)});
  }
}

absl::StatusOr<std::vector<StateStore::JobCount>> SqliteStore::CountJobs() {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement,
                             database_->Query("SELECT state, count(*) FROM job GROUP BY state ORDER BY state"));
  std::vector<JobCount> counts;
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return counts;
    counts.push_back({statement.Bytes(0), statement.Integer(1)});
  }
}

absl::StatusOr<int64_t> SqliteStore::CountActiveLeases() {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement,
                             database_->Query("SELECT count(*) FROM attempt WHERE state = 'active'"));
  SUB1QUANT_RETURN_IF_ERROR(statement.Step().status());
  return statement.Integer(0);
}

}  // namespace sub1quant
