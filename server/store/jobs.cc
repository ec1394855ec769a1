#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "core/status.h"
#include "server/store/sqlite_store_impl.h"

namespace sub1quant {
namespace {

constexpr std::array<const char*, 5> kJobStates = {"accepted", "running", "succeeded", "failed", "cancelled"};

constexpr char kSelectJobs[] =
    "SELECT id, idempotency_key, specification, state, cancelling, error_code, error_message, created_at, finished_at "
    "FROM job ";

absl::StatusOr<JobState> ParseJobState(const std::string& name) {
  const auto found = std::find(kJobStates.begin(), kJobStates.end(), name);
  if (found == kJobStates.end()) return absl::DataLossError(absl::StrCat("store: job state '", name, "'"));
  return static_cast<JobState>(found - kJobStates.begin());
}

absl::Status NoSuchJob(const std::string& job) { return absl::NotFoundError(absl::StrCat("no job '", job, "'")); }

}  // namespace

std::string JobStateName(JobState state) { return kJobStates.at(static_cast<size_t>(state)); }

absl::StatusOr<JobState> SqliteStore::StateOf(const std::string& job) {
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement, database_->Query("SELECT state FROM job WHERE id = ?", job));
  SUB1QUANT_ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return NoSuchJob(job);
  return ParseJobState(statement.Bytes(0));
}

absl::StatusOr<StateStore::Created> SqliteStore::CreateJob(const JobRecord& job, const std::vector<StageKey>& stages) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Begin());
  {
    SUB1QUANT_ASSIGN_OR_RETURN(
        Statement earlier,
        database_->Query("SELECT id, specification FROM job WHERE idempotency_key = ?", job.idempotency_key));
    SUB1QUANT_ASSIGN_OR_RETURN(const bool found, earlier.Step());
    if (found && earlier.Bytes(1) == job.specification) return Created{earlier.Bytes(0), false};
    if (found) {
      return absl::AlreadyExistsError(absl::StrCat("idempotency key '", job.idempotency_key,
                                                   "' is that of a job with another specification, ",
                                                   earlier.Bytes(0)));
    }
  }
  SUB1QUANT_RETURN_IF_ERROR(
      database_
          ->Execute(
              "INSERT INTO job(id, idempotency_key, specification, state, created_at) VALUES (?, ?, ?, 'accepted', ?)",
              job.id, job.idempotency_key, Blob{job.specification}, job.created_at)
          .status());
  for (size_t seq = 0; seq < stages.size(); ++seq) {
    SUB1QUANT_RETURN_IF_ERROR(database_
                                  ->Execute("INSERT INTO stage(job, seq, name, target) VALUES (?, ?, ?, ?)", job.id,
                                            static_cast<int64_t>(seq), stages[seq].name, stages[seq].target)
                                  .status());
  }
  SUB1QUANT_RETURN_IF_ERROR(AddEvent(job.id, "accepted", {}, ""));
  SUB1QUANT_RETURN_IF_ERROR(Commit(transaction));
  return Created{job.id, true};
}

absl::StatusOr<std::vector<std::string>> SqliteStore::WarningsOf(const std::string& job) {
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement,
                             database_->Query("SELECT message FROM warning WHERE job = ? ORDER BY id", job));
  std::vector<std::string> warnings;
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return warnings;
    warnings.push_back(statement.Bytes(0));
  }
}

absl::StatusOr<std::vector<JobRecord>> SqliteStore::ReadJobs(Statement& statement) {
  std::vector<JobRecord> jobs;
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return jobs;
    JobRecord job;
    job.id = statement.Bytes(0);
    job.idempotency_key = statement.Bytes(1);
    job.specification = statement.Bytes(2);
    SUB1QUANT_ASSIGN_OR_RETURN(job.state, ParseJobState(statement.Bytes(3)));
    job.cancelling = statement.Integer(4) != 0;
    job.error_code = static_cast<int>(statement.Integer(5));
    job.error_message = statement.Bytes(6);
    job.created_at = statement.Real(7);
    job.finished_at = statement.Real(8);
    SUB1QUANT_ASSIGN_OR_RETURN(job.warnings, WarningsOf(job.id));
    jobs.push_back(std::move(job));
  }
}

absl::StatusOr<JobRecord> SqliteStore::GetJob(const std::string& id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement, database_->Query(absl::StrCat(kSelectJobs, "WHERE id = ?"), id));
  SUB1QUANT_ASSIGN_OR_RETURN(std::vector<JobRecord> jobs, ReadJobs(statement));
  if (jobs.empty()) return NoSuchJob(id);
  return std::move(jobs.front());
}

absl::StatusOr<std::vector<JobRecord>> SqliteStore::ListJobs() {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement, database_->Query(absl::StrCat(kSelectJobs, "ORDER BY seq DESC")));
  return ReadJobs(statement);
}

absl::StatusOr<std::vector<JobRecord>> SqliteStore::ActiveJobs() {
  const std::lock_guard<std::mutex> lock(mutex_);
  // The condition in the words of the index job_active.
  SUB1QUANT_ASSIGN_OR_RETURN(
      Statement statement,
      database_->Query(absl::StrCat(kSelectJobs, "WHERE state IN ('accepted', 'running') ORDER BY seq")));
  return ReadJobs(statement);
}

absl::StatusOr<std::vector<OutputRecord>> SqliteStore::Outputs(const std::string& job) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_RETURN_IF_ERROR(StateOf(job).status());
  SUB1QUANT_ASSIGN_OR_RETURN(
      Statement statement, database_->Query("SELECT path, sha256, size FROM output WHERE job = ? ORDER BY path", job));
  std::vector<OutputRecord> outputs;
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return outputs;
    outputs.push_back({statement.Bytes(0), statement.Bytes(1), static_cast<uint64_t>(statement.Integer(2))});
  }
}

absl::Status SqliteStore::AddOutputs(const std::string& job, const std::vector<OutputRecord>& outputs) {
  for (const OutputRecord& output : outputs) {
    SUB1QUANT_RETURN_IF_ERROR(
        database_
            ->Execute("INSERT OR REPLACE INTO output(job, path, sha256, size) VALUES (?, ?, ?, ?)", job, output.path,
                      output.sha256, static_cast<int64_t>(output.size))
            .status());
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::AddWarnings(const std::string& job, const StageKey& stage,
                                      const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    SUB1QUANT_RETURN_IF_ERROR(
        database_->Execute("INSERT INTO warning(job, message) VALUES (?, ?)", job, warning).status());
    SUB1QUANT_RETURN_IF_ERROR(AddEvent(job, "warning", stage, warning));
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::RequestCancel(const std::string& job) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Begin());
  SUB1QUANT_ASSIGN_OR_RETURN(const JobState state, StateOf(job));
  if (Ended(state)) return absl::OkStatus();
  SUB1QUANT_ASSIGN_OR_RETURN(const int64_t marked,
                             database_->Execute("UPDATE job SET cancelling = 1 WHERE id = ? AND cancelling = 0", job));
  if (marked == 0) return absl::OkStatus();
  SUB1QUANT_RETURN_IF_ERROR(AddEvent(job, "cancelling", {}, ""));
  return Commit(transaction);
}

absl::Status SqliteStore::CancelTasks(const std::string& job) {
  SUB1QUANT_RETURN_IF_ERROR(database_
                                ->Execute("UPDATE attempt SET state = 'lost' WHERE state = 'active' AND task IN "
                                          "(SELECT id FROM task WHERE job = ? AND state = 'leased')",
                                          job)
                                .status());
  return database_->Execute("UPDATE task SET state = 'cancelled' WHERE job = ? AND state IN ('ready', 'leased')", job)
      .status();
}

absl::Status SqliteStore::EndJob(const std::string& job, JobState state, const absl::Status& error,
                                 const std::vector<OutputRecord>& outputs) {
  SUB1QUANT_CHECK(Ended(state));
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Begin());
  SUB1QUANT_ASSIGN_OR_RETURN(const JobState before, StateOf(job));
  if (Ended(before)) return absl::OkStatus();
  const std::string message(error.message());
  SUB1QUANT_RETURN_IF_ERROR(
      database_
          ->Execute("UPDATE job SET state = ?, error_code = ?, error_message = ?, finished_at = ? WHERE id = ?",
                    JobStateName(state), static_cast<int>(error.code()), message, WallSeconds(), job)
          .status());
  SUB1QUANT_RETURN_IF_ERROR(CancelTasks(job));
  SUB1QUANT_RETURN_IF_ERROR(AddOutputs(job, outputs));
  SUB1QUANT_RETURN_IF_ERROR(AddEvent(
      job, "finished", {}, message.empty() ? JobStateName(state) : absl::StrCat(JobStateName(state), ": ", message)));
  return Commit(transaction);
}

}  // namespace sub1quant
