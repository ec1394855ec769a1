#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "server/store/sqlite_store_impl.h"

namespace sub1quant {
namespace {

// These run in the server and have no tasks: FinishStage ends them.
bool IsServerStage(const std::string& name) {
  static const std::set<std::string> names = {"inspect", "allocate", "seal", "aggregate"};
  return names.count(name) > 0;
}

}  // namespace

absl::StatusOr<std::vector<StageRecord>> SqliteStore::Stages(const std::string& job) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_RETURN_IF_ERROR(StateOf(job).status());
  SUB1QUANT_ASSIGN_OR_RETURN(
      Statement statement,
      database_->Query(
          "SELECT name, target, state, done, total, reused, cost_done, cost_total, started_at, finished_at "
          "FROM stage WHERE job = ? ORDER BY seq",
          job));
  std::vector<StageRecord> stages;
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return stages;
    StageRecord stage;
    stage.key = {statement.Bytes(0), static_cast<int>(statement.Integer(1))};
    stage.state = statement.Bytes(2);
    stage.done = statement.Integer(3);
    stage.total = statement.Integer(4);
    stage.reused = statement.Integer(5);
    stage.cost_done = statement.Real(6);
    stage.cost_total = statement.Real(7);
    stage.started_at = statement.Real(8);
    stage.finished_at = statement.Real(9);
    stages.push_back(std::move(stage));
  }
}

absl::StatusOr<SqliteStore::StageRow> SqliteStore::FindStage(const std::string& job, const StageKey& stage) {
  SUB1QUANT_RETURN_IF_ERROR(StateOf(job).status());
  SUB1QUANT_ASSIGN_OR_RETURN(
      Statement statement,
      database_->Query("SELECT seq, state, done, total FROM stage WHERE job = ? AND name = ? AND target = ?", job,
                       stage.name, stage.target));
  SUB1QUANT_ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found)
    return absl::NotFoundError(absl::StrCat("job ", job, " has no stage ", stage.name, " of target ", stage.target));
  return StageRow{statement.Integer(0), statement.Bytes(1), statement.Integer(2), statement.Integer(3)};
}

absl::Status SqliteStore::InsertTasks(const std::string& job, int64_t stage_seq, const std::vector<NewTask>& tasks) {
  for (const NewTask& task : tasks) {
    SUB1QUANT_RETURN_IF_ERROR(database_
                                  ->Execute("INSERT INTO task(job, stage_seq, ordinal, operation, action_key, "
                                            "affinity, cost, description, payload, "
                                            "state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                            job, stage_seq, task.ordinal, task.operation, task.action_key,
                                            task.affinity, task.cost, task.description, Blob{task.payload},
                                            task.result ? "done" : "ready")
                                  .status());
    if (!task.result) continue;
    SUB1QUANT_RETURN_IF_ERROR(
        database_->Execute("UPDATE task SET result = ? WHERE id = ?", Blob{*task.result}, database_->LastInsertId())
            .status());
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::StartStage(const std::string& job, const StageKey& stage, const std::vector<NewTask>& tasks) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Begin());
  SUB1QUANT_ASSIGN_OR_RETURN(const StageRow row, FindStage(job, stage));
  if (row.state != "waiting") return absl::OkStatus();
  SUB1QUANT_ASSIGN_OR_RETURN(const JobState state, StateOf(job));
  if (Ended(state)) return absl::FailedPreconditionError(absl::StrCat("job ", job, " has ended"));
  SUB1QUANT_RETURN_IF_ERROR(InsertTasks(job, row.seq, tasks));
  int64_t reused = 0;
  double cost_reused = 0, cost_total = 0;
  for (const NewTask& task : tasks) {
    cost_total += task.cost;
    if (!task.result) continue;
    ++reused;
    cost_reused += task.cost;
  }
  const auto total = static_cast<int64_t>(tasks.size());
  SUB1QUANT_RETURN_IF_ERROR(
      database_
          ->Execute("UPDATE stage SET state = 'running', done = ?1, total = ?2, reused = ?1, "
                    "cost_done = ?3, cost_total = ?4, started_at = ?5 WHERE job = ?6 AND seq = ?7",
                    reused, total, cost_reused, cost_total, WallSeconds(), job, row.seq)
          .status());
  SUB1QUANT_RETURN_IF_ERROR(
      database_->Execute("UPDATE job SET state = 'running' WHERE id = ? AND state = 'accepted'", job).status());
  SUB1QUANT_RETURN_IF_ERROR(AddEvent(job, "stage_started", stage,
                                     tasks.empty() ? "" : absl::StrCat(total, " tasks, ", reused, " of them reused")));
  if (reused == total && !(tasks.empty() && IsServerStage(stage.name)))
    SUB1QUANT_RETURN_IF_ERROR(MarkStageDone(job, stage));
  return Commit(transaction);
}

absl::Status SqliteStore::MarkStageDone(const std::string& job, const StageKey& stage) {
  SUB1QUANT_RETURN_IF_ERROR(
      database_
          ->Execute("UPDATE stage SET state = 'done', finished_at = ? WHERE job = ? AND name = ? AND target = ?",
                    WallSeconds(), job, stage.name, stage.target)
          .status());
  return AddEvent(job, "stage_done", stage, "");
}

absl::Status SqliteStore::FinishStage(const std::string& job, const StageKey& stage, const std::string& document,
                                      const std::vector<OutputRecord>& outputs,
                                      const std::vector<std::string>& warnings,
                                      const std::vector<std::string>& references) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Begin());
  SUB1QUANT_ASSIGN_OR_RETURN(const StageRow row, FindStage(job, stage));
  if (row.state == "done") return absl::OkStatus();
  SUB1QUANT_ASSIGN_OR_RETURN(const JobState state, StateOf(job));
  if (Ended(state)) return absl::FailedPreconditionError(absl::StrCat("job ", job, " has ended"));
  if (row.state != "running" || row.done != row.total) {
    return absl::FailedPreconditionError(absl::StrCat("stage ", stage.name, " is ", row.state, " with ", row.done,
                                                      " of ", row.total, " tasks done; it cannot be finished"));
  }
  SUB1QUANT_RETURN_IF_ERROR(
      database_->Execute("UPDATE stage SET document = ? WHERE job = ? AND seq = ?", Blob{document}, job, row.seq)
          .status());
  SUB1QUANT_RETURN_IF_ERROR(AddOutputs(job, outputs));
  SUB1QUANT_RETURN_IF_ERROR(AddWarnings(job, stage, warnings));
  for (const std::string& sha256 : references) {
    SUB1QUANT_RETURN_IF_ERROR(
        database_->Execute("INSERT OR IGNORE INTO reference(job, sha256) VALUES (?, ?)", job, sha256).status());
  }
  SUB1QUANT_RETURN_IF_ERROR(MarkStageDone(job, stage));
  return Commit(transaction);
}

absl::StatusOr<std::string> SqliteStore::StageDocument(const std::string& job, const StageKey& stage) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(const StageRow row, FindStage(job, stage));
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement,
                             database_->Query("SELECT document FROM stage WHERE job = ? AND seq = ?", job, row.seq));
  SUB1QUANT_RETURN_IF_ERROR(statement.Step().status());
  if (!statement.IsNull(0)) return statement.Bytes(0);
  return absl::FailedPreconditionError(absl::StrCat("stage ", stage.name, " is ", row.state, " and has no document"));
}

absl::StatusOr<std::vector<DoneTask>> SqliteStore::DoneTasks(const std::string& job, const StageKey& stage) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(const StageRow row, FindStage(job, stage));
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement,
                             database_->Query("SELECT ordinal, result, worker, seconds FROM task "
                                              "WHERE job = ? AND stage_seq = ? AND state = 'done' ORDER BY ordinal",
                                              job, row.seq));
  std::vector<DoneTask> tasks;
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return tasks;
    tasks.push_back({statement.Integer(0), statement.Bytes(1), statement.Bytes(2), statement.Real(3)});
  }
}

absl::StatusOr<std::vector<std::optional<std::string>>> SqliteStore::FindResults(
    const std::vector<std::string>& action_keys) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::optional<std::string>> results;
  for (const std::string& key : action_keys) {
    SUB1QUANT_ASSIGN_OR_RETURN(Statement statement,
                               database_->Query("SELECT result FROM result WHERE action_key = ?", key));
    SUB1QUANT_ASSIGN_OR_RETURN(const bool found, statement.Step());
    results.push_back(found ? std::optional<std::string>(statement.Bytes(0)) : std::nullopt);
  }
  return results;
}

absl::Status SqliteStore::ForgetResult(const std::string& action_key) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Begin());
  SUB1QUANT_RETURN_IF_ERROR(database_->Execute("DELETE FROM result WHERE action_key = ?", action_key).status());
  return Commit(transaction);
}

}  // namespace sub1quant
