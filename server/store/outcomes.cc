// How an attempt ends. Lease ids are secrets: no message names one.
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/failpoint.h"
#include "core/status.h"
#include "server/store/sqlite_store_impl.h"

namespace sub1quant {
namespace {

constexpr int64_t kMaxAttempts = 3;

absl::Status Lost() { return absl::FailedPreconditionError("lease lost"); }

}  // namespace

absl::StatusOr<SqliteStore::AttemptRow> SqliteStore::FindAttempt(const std::string& lease_id) {
  SUB1QUANT_ASSIGN_OR_RETURN(
      Statement statement,
      database_->Query("SELECT attempt.state, attempt.session, attempt.worker_name, task.id, task.attempts, task.job, "
                       "task.action_key, task.description, task.result, task.cost, stage.seq, stage.name, stage.target "
                       "FROM attempt JOIN task ON task.id = attempt.task "
                       "JOIN stage ON stage.job = task.job AND stage.seq = task.stage_seq WHERE attempt.lease_id = ?",
                       lease_id));
  SUB1QUANT_ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return Lost();
  AttemptRow attempt;
  attempt.lease_id = lease_id;
  attempt.state = statement.Bytes(0);
  attempt.session = statement.Bytes(1);
  attempt.worker_name = statement.Bytes(2);
  attempt.task = statement.Integer(3);
  attempt.charged = statement.Integer(4);
  attempt.job = statement.Bytes(5);
  attempt.action_key = statement.Bytes(6);
  attempt.description = statement.Bytes(7);
  attempt.result = statement.Bytes(8);
  attempt.cost = statement.Real(9);
  attempt.stage_seq = statement.Integer(10);
  attempt.stage = {statement.Bytes(11), static_cast<int>(statement.Integer(12))};
  return attempt;
}

absl::StatusOr<SqliteStore::AttemptRow> SqliteStore::FindActive(const WorkerId& worker, const std::string& lease_id) {
  SUB1QUANT_ASSIGN_OR_RETURN(AttemptRow attempt, FindAttempt(lease_id));
  if (attempt.session != worker.session || attempt.state != "active") return Lost();
  return attempt;
}

// A lease that has won still answers, so that the same completion sent again can be checked again.
absl::StatusOr<std::string> SqliteStore::LeasedPayload(const std::string& lease_id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement,
                             database_->Query("SELECT task.payload FROM attempt JOIN task ON task.id = attempt.task "
                                              "WHERE attempt.lease_id = ? AND attempt.state IN ('active', 'won')",
                                              lease_id));
  SUB1QUANT_ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return Lost();
  return statement.Bytes(0);
}

absl::Status SqliteStore::EndAttempt(const std::string& lease_id, const char* state) {
  SUB1QUANT_ASSIGN_OR_RETURN(
      const int64_t changed,
      database_->Execute("UPDATE attempt SET state = ? WHERE lease_id = ? AND state = 'active'", state, lease_id));
  return changed == 1 ? absl::OkStatus() : Lost();
}

// The first result of an action key stays; another one is evidence of a computation that is not deterministic, or of a
// bit flip.
absl::Status SqliteStore::KeepResult(const AttemptRow& attempt, const std::string& result) {
  SUB1QUANT_ASSIGN_OR_RETURN(const int64_t inserted,
                             database_->Execute("INSERT OR IGNORE INTO result(action_key, result) VALUES (?, ?)",
                                                attempt.action_key, Blob{result}));
  if (inserted == 1) return absl::OkStatus();
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement,
                             database_->Query("SELECT result FROM result WHERE action_key = ?", attempt.action_key));
  SUB1QUANT_RETURN_IF_ERROR(statement.Step().status());
  if (statement.Bytes(0) == result) return absl::OkStatus();
  return AddEvent(
      attempt.job, "result_mismatch", attempt.stage,
      absl::StrCat(attempt.description, ": worker ", attempt.worker_name, " answered otherwise than before"));
}

absl::Status SqliteStore::Win(const AttemptRow& attempt, const std::string& result, double seconds) {
  SUB1QUANT_RETURN_IF_ERROR(EndAttempt(attempt.lease_id, "won"));
  SUB1QUANT_ASSIGN_OR_RETURN(
      const int64_t done,
      database_->Execute(
          "UPDATE task SET state = 'done', result = ?, worker = ?, seconds = ? WHERE id = ? AND state = 'leased'",
          Blob{result}, attempt.worker_name, seconds, attempt.task));
  if (done != 1) return Lost();
  SUB1QUANT_RETURN_IF_ERROR(KeepResult(attempt, result));
  SUB1QUANT_RETURN_IF_ERROR(AddEvent(attempt.job, "task_done", attempt.stage, attempt.description));
  SUB1QUANT_RETURN_IF_ERROR(
      database_
          ->Execute("UPDATE worker SET tasks_done = tasks_done + 1, last_seen = ? WHERE session = ?", WallSeconds(),
                    attempt.session)
          .status());
  SUB1QUANT_RETURN_IF_ERROR(
      database_
          ->Execute("UPDATE stage SET done = done + 1, cost_done = cost_done + ? WHERE job = ? AND seq = ?",
                    attempt.cost, attempt.job, attempt.stage_seq)
          .status());
  SUB1QUANT_ASSIGN_OR_RETURN(const StageRow stage, FindStage(attempt.job, attempt.stage));
  return stage.done == stage.total ? MarkStageDone(attempt.job, attempt.stage) : absl::OkStatus();
}

absl::StatusOr<bool> SqliteStore::Complete(const WorkerId& worker, const std::string& lease_id,
                                           const std::string& result, double seconds) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_RETURN_IF_ERROR(Meet(worker, clock_.Now()));
  SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Begin());
  SUB1QUANT_ASSIGN_OR_RETURN(const AttemptRow attempt, FindAttempt(lease_id));
  if (attempt.session != worker.session) return Lost();
  if (attempt.state == "won" && attempt.result == result) return false;
  if (attempt.state != "active") return Lost();
  SUB1QUANT_RETURN_IF_ERROR(Win(attempt, result, seconds));
  SUB1QUANT_RETURN_IF_ERROR(Failpoint("server.before_complete_commit"));
  SUB1QUANT_RETURN_IF_ERROR(Commit(transaction));
  deadlines_.erase(lease_id);
  SUB1QUANT_RETURN_IF_ERROR(Failpoint("server.after_complete_commit"));
  return true;
}

absl::Status SqliteStore::Charge(const AttemptRow& attempt, const absl::Status& error, bool final) {
  const int64_t charged = attempt.charged + 1;
  const std::string message(error.message());
  const bool quarantined = final || charged >= kMaxAttempts;
  return database_
      ->Execute(
          "UPDATE task SET state = ?, attempts = ?, error_code = ?, error_message = ? WHERE id = ? AND state = "
          "'leased'",
          quarantined ? "quarantined" : "ready", charged, static_cast<int>(error.code()),
          final || !quarantined ? message : absl::StrCat("failed ", charged, " times, last: ", message), attempt.task)
      .status();
}

absl::StatusOr<bool> SqliteStore::Fail(const WorkerId& worker, const std::string& lease_id, const absl::Status& error,
                                       bool final) {
  if (error.ok()) return absl::InvalidArgumentError("a failure is not OK");
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_RETURN_IF_ERROR(Meet(worker, clock_.Now()));
  SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Begin());
  SUB1QUANT_ASSIGN_OR_RETURN(const AttemptRow attempt, FindAttempt(lease_id));
  if (attempt.session != worker.session) return Lost();
  if (attempt.state == "failed") return false;  // its answer was lost
  SUB1QUANT_RETURN_IF_ERROR(EndAttempt(lease_id, "failed"));
  SUB1QUANT_RETURN_IF_ERROR(Charge(attempt, error, final));
  SUB1QUANT_RETURN_IF_ERROR(AddEvent(
      attempt.job, "task_failed", attempt.stage,
      absl::StrCat(attempt.description, ": worker ", attempt.worker_name, ": ", std::string(error.message()))));
  SUB1QUANT_RETURN_IF_ERROR(Commit(transaction));
  deadlines_.erase(lease_id);
  return true;
}

absl::StatusOr<int> SqliteStore::Release(const WorkerId& worker, const std::vector<std::string>& lease_ids) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Begin());
  std::vector<std::string> released = lease_ids;
  if (released.empty()) {
    SUB1QUANT_ASSIGN_OR_RETURN(released, ActiveLeases(worker.session));
  }
  int count = 0;
  for (const std::string& lease_id : released) {
    const absl::StatusOr<AttemptRow> attempt = FindActive(worker, lease_id);
    if (absl::IsFailedPrecondition(attempt.status())) continue;
    SUB1QUANT_RETURN_IF_ERROR(attempt.status());
    SUB1QUANT_RETURN_IF_ERROR(EndAttempt(lease_id, "released"));
    SUB1QUANT_RETURN_IF_ERROR(
        database_->Execute("UPDATE task SET state = 'ready' WHERE id = ? AND state = 'leased'", attempt->task)
            .status());
    ++count;
  }
  SUB1QUANT_RETURN_IF_ERROR(Commit(transaction));
  for (const std::string& lease_id : released) deadlines_.erase(lease_id);
  return count;
}

absl::StatusOr<int> SqliteStore::ExpireLeases(SteadyTime now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<std::string> active, ActiveLeases(""));
  std::map<std::string, SteadyTime> remaining;  // forgets what EndJob took
  std::vector<std::string> overdue;
  for (const std::string& lease_id : active) {
    const auto deadline = deadlines_.try_emplace(lease_id, now + lease_ttl_).first->second;
    if (deadline <= now) {
      overdue.push_back(lease_id);
    } else {
      remaining[lease_id] = deadline;
    }
  }
  if (!overdue.empty()) {
    SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Begin());
    for (const std::string& lease_id : overdue) {
      SUB1QUANT_ASSIGN_OR_RETURN(const AttemptRow attempt, FindAttempt(lease_id));
      const std::string message = absl::StrCat("worker ", attempt.worker_name, " did not renew its lease");
      SUB1QUANT_RETURN_IF_ERROR(EndAttempt(lease_id, "expired"));
      SUB1QUANT_RETURN_IF_ERROR(Charge(attempt, absl::DeadlineExceededError(message), false));
      SUB1QUANT_RETURN_IF_ERROR(
          AddEvent(attempt.job, "lease_expired", attempt.stage, absl::StrCat(attempt.description, ": ", message)));
    }
    SUB1QUANT_RETURN_IF_ERROR(Commit(transaction));
  }
  deadlines_ = std::move(remaining);
  return static_cast<int>(overdue.size());
}

absl::StatusOr<std::optional<absl::Status>> SqliteStore::FailedTask(const std::string& job) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_RETURN_IF_ERROR(StateOf(job).status());
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement,
                             database_->Query("SELECT error_code, error_message, description FROM task "
                                              "WHERE job = ? AND state = 'quarantined' ORDER BY id LIMIT 1",
                                              job));
  SUB1QUANT_ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return std::optional<absl::Status>();
  return std::optional<absl::Status>(absl::Status(static_cast<absl::StatusCode>(statement.Integer(0)),
                                                  absl::StrCat(statement.Bytes(2), ": ", statement.Bytes(1))));
}

}  // namespace sub1quant
