#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "server/store/sqlite_store_impl.h"

namespace sub1quant {

// A job that has not ended may need a blob before it has said so in outputs or references: its specification names the
// corpus, its tasks the tokens, their results the packed matrices. Those are opaque here; a digest anywhere in them
// counts.
absl::StatusOr<bool> SqliteStore::IsNeeded(const std::string& sha256) {
  SUB1QUANT_ASSIGN_OR_RETURN(
      Statement statement,
      database_->Query(
          "SELECT EXISTS(SELECT 1 FROM output WHERE sha256 = ?1)"
          "    OR EXISTS(SELECT 1 FROM reference WHERE sha256 = ?1)"
          "    OR EXISTS(SELECT 1 FROM job WHERE state IN ('accepted', 'running')"
          "              AND instr(specification, CAST(?1 AS BLOB)) > 0)"
          "    OR EXISTS(SELECT 1 FROM task JOIN job ON job.id = task.job"
          "              WHERE job.state IN ('accepted', 'running')"
          "              AND (instr(payload, CAST(?1 AS BLOB)) > 0 OR instr(result, CAST(?1 AS BLOB)) > 0))",
          sha256));
  SUB1QUANT_RETURN_IF_ERROR(statement.Step().status());
  return statement.Integer(0) != 0;
}

absl::StatusOr<std::vector<std::string>> SqliteStore::DeleteJob(const std::string& job) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Begin());
  SUB1QUANT_ASSIGN_OR_RETURN(const JobState state, StateOf(job));
  if (!Ended(state)) {
    return absl::FailedPreconditionError(absl::StrCat("job ", job, " is ", JobStateName(state), "; cancel it first"));
  }
  std::vector<std::string> digests;
  {
    SUB1QUANT_ASSIGN_OR_RETURN(Statement statement,
                               database_->Query("SELECT sha256 FROM output WHERE job = ?1 UNION "
                                                "SELECT sha256 FROM reference WHERE job = ?1 ORDER BY sha256",
                                                job));
    while (true) {
      SUB1QUANT_ASSIGN_OR_RETURN(const bool row, statement.Step());
      if (!row) break;
      digests.push_back(statement.Bytes(0));
    }
  }
  SUB1QUANT_RETURN_IF_ERROR(database_->Execute("DELETE FROM job WHERE id = ?", job).status());
  std::vector<std::string> orphans;
  for (const std::string& digest : digests) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool needed, IsNeeded(digest));
    if (!needed) orphans.push_back(digest);
  }
  SUB1QUANT_RETURN_IF_ERROR(Commit(transaction));
  return orphans;
}

}  // namespace sub1quant
