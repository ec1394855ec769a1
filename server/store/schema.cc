#include "server/store/schema.h"

#include "absl/strings/str_cat.h"
#include "core/status.h"

namespace sub1quant {
namespace {

constexpr int64_t kSchemaVersion = 1;

// Two indices carry the safety of leases: a task has at most one active and at most one winning attempt.
constexpr char kSchema[] = R"sql(
CREATE TABLE job(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  idempotency_key TEXT NOT NULL UNIQUE,
  specification BLOB NOT NULL,
  state TEXT NOT NULL,
  cancelling INTEGER NOT NULL DEFAULT 0,
  error_code INTEGER NOT NULL DEFAULT 0,
  error_message TEXT NOT NULL DEFAULT '',
  created_at REAL NOT NULL,
  finished_at REAL NOT NULL DEFAULT 0);
CREATE TABLE stage(
  job TEXT NOT NULL REFERENCES job(id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  name TEXT NOT NULL,
  target INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting',
  done INTEGER NOT NULL DEFAULT 0,
  total INTEGER NOT NULL DEFAULT 0,
  reused INTEGER NOT NULL DEFAULT 0,
  cost_done REAL NOT NULL DEFAULT 0,
  cost_total REAL NOT NULL DEFAULT 0,
  document BLOB,
  started_at REAL NOT NULL DEFAULT 0,
  finished_at REAL NOT NULL DEFAULT 0,
  PRIMARY KEY(job, seq),
  UNIQUE(job, name, target));
CREATE TABLE task(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job TEXT NOT NULL,
  stage_seq INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  operation TEXT NOT NULL,
  action_key TEXT NOT NULL,
  affinity TEXT NOT NULL,
  cost REAL NOT NULL,
  description TEXT NOT NULL,
  payload BLOB NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  result BLOB,
  error_code INTEGER NOT NULL DEFAULT 0,
  error_message TEXT NOT NULL DEFAULT '',
  worker TEXT NOT NULL DEFAULT '',
  seconds REAL NOT NULL DEFAULT 0,
  UNIQUE(job, stage_seq, ordinal),
  FOREIGN KEY(job, stage_seq) REFERENCES stage(job, seq) ON DELETE CASCADE);
CREATE INDEX task_ready ON task(operation, job, stage_seq, affinity, cost) WHERE state = 'ready';
CREATE INDEX task_state ON task(job, stage_seq, state);
CREATE TABLE attempt(
  lease_id TEXT PRIMARY KEY,
  task INTEGER NOT NULL REFERENCES task(id) ON DELETE CASCADE,
  attempt_no INTEGER NOT NULL,
  worker_name TEXT NOT NULL,
  session TEXT NOT NULL,
  request_id TEXT NOT NULL,
  state TEXT NOT NULL,
  started_at REAL NOT NULL,
  UNIQUE(task, attempt_no));
CREATE UNIQUE INDEX attempt_won ON attempt(task) WHERE state = 'won';
CREATE UNIQUE INDEX attempt_active ON attempt(task) WHERE state = 'active';
CREATE INDEX attempt_held ON attempt(session, request_id) WHERE state = 'active';
CREATE TABLE result(action_key TEXT PRIMARY KEY, result BLOB NOT NULL);
CREATE TABLE output(
  job TEXT NOT NULL REFERENCES job(id) ON DELETE CASCADE,
  path TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size INTEGER NOT NULL,
  PRIMARY KEY(job, path));
CREATE INDEX output_digest ON output(sha256);
CREATE TABLE reference(
  job TEXT NOT NULL REFERENCES job(id) ON DELETE CASCADE,
  sha256 TEXT NOT NULL,
  PRIMARY KEY(job, sha256));
CREATE INDEX reference_digest ON reference(sha256);
CREATE TABLE warning(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job TEXT NOT NULL REFERENCES job(id) ON DELETE CASCADE,
  message TEXT NOT NULL);
CREATE INDEX warning_job ON warning(job, id);
CREATE TABLE event(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  job TEXT NOT NULL REFERENCES job(id) ON DELETE CASCADE,
  at REAL NOT NULL,
  kind TEXT NOT NULL,
  stage TEXT NOT NULL,
  target INTEGER NOT NULL,
  message TEXT NOT NULL);
CREATE INDEX event_job ON event(job, seq);
CREATE TABLE worker(
  session TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  device TEXT NOT NULL,
  version TEXT NOT NULL,
  tasks_done INTEGER NOT NULL DEFAULT 0,
  draining INTEGER NOT NULL DEFAULT 0,
  last_seen REAL NOT NULL);
CREATE INDEX worker_name ON worker(name);
)sql";

// Not part of the schema's version: an older program keeps them and does not need them.
constexpr char kIndices[] = R"sql(
CREATE INDEX IF NOT EXISTS job_active ON job(seq) WHERE state IN ('accepted', 'running');
)sql";

absl::StatusOr<int64_t> ReadVersion(Database& database) {
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement, database.Query("PRAGMA user_version"));
  SUB1QUANT_RETURN_IF_ERROR(statement.Step().status());
  return statement.Integer(0);
}

absl::Status WriteVersion(Database& database) {
  return database.RunScript(absl::StrCat("PRAGMA user_version = ", kSchemaVersion).c_str());
}

absl::Status SetUpConnection(Database& database) {
  SUB1QUANT_RETURN_IF_ERROR(database.RunScript("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"));
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement, database.Query("PRAGMA journal_mode = WAL"));
  SUB1QUANT_RETURN_IF_ERROR(statement.Step().status());
  if (statement.Bytes(0) == "wal") return absl::OkStatus();
  return absl::FailedPreconditionError("the file system of the store cannot keep a write-ahead log; use a local one");
}

}  // namespace

absl::Status PrepareSchema(Database& database) {
  SUB1QUANT_ASSIGN_OR_RETURN(const int64_t version, ReadVersion(database));
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat("store.db has schema ", version, ", this program knows up to ",
                                                      kSchemaVersion, "; use the newer program"));
  }
  SUB1QUANT_RETURN_IF_ERROR(SetUpConnection(database));
  SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
  if (version != kSchemaVersion) {
    SUB1QUANT_RETURN_IF_ERROR(database.RunScript(kSchema));
    SUB1QUANT_RETURN_IF_ERROR(WriteVersion(database));
  }
  SUB1QUANT_RETURN_IF_ERROR(database.RunScript(kIndices));
  return transaction.Commit();
}

absl::Status ProbeWrite(Database& database) { return WriteVersion(database); }

}  // namespace sub1quant
