#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/failpoint.h"
#include "core/status.h"
#include "server/store/sqlite_store_impl.h"

namespace sub1quant {
namespace {

// A lease call gets at most so much cost when it gets more than one task: large matrices come one at a time.
constexpr double kBatchCost = 2;  // seconds
// Of a call's operations, so that a hostile list does not make a hostile statement.
constexpr size_t kMaxOperations = 8;

bool ComesInBatches(const std::string& operation) { return operation == "search" || operation == "pack"; }

}  // namespace

// Leases that an earlier call with this request id got, if its answer was lost on the way.
absl::StatusOr<std::vector<GrantedLease>> SqliteStore::FindGranted(const AcquireQuery& query) {
  std::vector<GrantedLease> leases;
  if (query.request_id.empty()) return leases;
  SUB1QUANT_ASSIGN_OR_RETURN(
      Statement statement,
      database_->Query(
          "SELECT attempt.lease_id, task.payload, task.description, attempt.attempt_no, task.cost "
          "FROM attempt JOIN task ON task.id = attempt.task "
          "WHERE attempt.session = ? AND attempt.request_id = ? AND attempt.state = 'active' ORDER BY attempt.rowid",
          query.worker.session, query.request_id));
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return leases;
    leases.push_back({statement.Bytes(0), statement.Bytes(1), statement.Bytes(2),
                      static_cast<int>(statement.Integer(3)), statement.Real(4)});
  }
}

absl::StatusOr<std::vector<int64_t>> SqliteStore::PickTasks(const AcquireQuery& query) {
  std::set<std::string> operations;
  for (const std::string& operation : query.operations)
    if (operations.size() < kMaxOperations) operations.insert(operation);
  operations.erase("");
  std::vector<std::string> wanted(operations.begin(), operations.end());
  wanted.resize(kMaxOperations);  // no task has an empty operation
  SUB1QUANT_ASSIGN_OR_RETURN(
      Statement statement,
      database_->Query(
          "SELECT task.id, task.operation, task.cost FROM task JOIN job ON job.id = task.job "
          "WHERE task.state = 'ready' AND job.state = 'running' AND job.cancelling = 0 "
          "AND task.operation IN (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "
          "ORDER BY job.seq, task.operation = 'score', (?9 <> '' AND task.affinity = ?9) DESC, task.stage_seq, "
          "task.cost DESC, task.id "
          "LIMIT ?10",
          wanted[0], wanted[1], wanted[2], wanted[3], wanted[4], wanted[5], wanted[6], wanted[7], query.loaded_model,
          std::max(query.max_tasks, 1)));
  std::vector<int64_t> tasks;
  std::string operation;
  double cost = 0;
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return tasks;
    cost += statement.Real(2);
    if (!tasks.empty() && (statement.Bytes(1) != operation || cost > kBatchCost)) return tasks;
    operation = statement.Bytes(1);
    tasks.push_back(statement.Integer(0));
    if (!ComesInBatches(operation)) return tasks;
  }
}

absl::StatusOr<GrantedLease> SqliteStore::Grant(const AcquireQuery& query, int64_t task) {
  GrantedLease lease;
  lease.lease_id = ids_.NewId();
  {
    SUB1QUANT_ASSIGN_OR_RETURN(
        Statement statement,
        database_->Query(
            "SELECT payload, description, (SELECT count(*) FROM attempt WHERE task = ?1), cost FROM task WHERE id = ?1",
            task));
    SUB1QUANT_RETURN_IF_ERROR(statement.Step().status());
    lease.payload = statement.Bytes(0);
    lease.description = statement.Bytes(1);
    lease.attempt = static_cast<int>(statement.Integer(2)) + 1;
    lease.cost = statement.Real(3);
  }
  SUB1QUANT_RETURN_IF_ERROR(database_->Execute("UPDATE task SET state = 'leased' WHERE id = ?", task).status());
  SUB1QUANT_RETURN_IF_ERROR(
      database_
          ->Execute(
              "INSERT INTO attempt(lease_id, task, attempt_no, worker_name, session, request_id, state, started_at) "
              "VALUES (?, ?, ?, ?, ?, ?, 'active', ?)",
              lease.lease_id, task, lease.attempt, query.worker.name, query.worker.session, query.request_id,
              WallSeconds())
          .status());
  return lease;
}

absl::StatusOr<std::vector<GrantedLease>> SqliteStore::Acquire(const AcquireQuery& query, SteadyTime now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_RETURN_IF_ERROR(Meet(query.worker, now));
  SUB1QUANT_ASSIGN_OR_RETURN(const bool draining, Draining(query.worker.session));
  std::vector<GrantedLease> leases;
  if (draining) return leases;
  SUB1QUANT_ASSIGN_OR_RETURN(leases, FindGranted(query));
  if (leases.empty()) {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<int64_t> tasks, PickTasks(query));
    if (tasks.empty()) return leases;
    SUB1QUANT_ASSIGN_OR_RETURN(Transaction transaction, Begin());
    for (const int64_t task : tasks) {
      SUB1QUANT_ASSIGN_OR_RETURN(GrantedLease lease, Grant(query, task));
      leases.push_back(std::move(lease));
    }
    SUB1QUANT_RETURN_IF_ERROR(Failpoint("server.before_lease_commit"));
    SUB1QUANT_RETURN_IF_ERROR(Commit(transaction));
  }
  for (const GrantedLease& lease : leases) deadlines_[lease.lease_id] = now + lease_ttl_;
  return leases;
}

absl::StatusOr<RenewAnswer> SqliteStore::Renew(const WorkerId& worker, const std::vector<std::string>& lease_ids,
                                               SteadyTime now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SUB1QUANT_RETURN_IF_ERROR(Meet(worker, now));
  RenewAnswer answer;
  SUB1QUANT_ASSIGN_OR_RETURN(answer.drain, Draining(worker.session));
  for (const std::string& lease_id : lease_ids) {
    SUB1QUANT_ASSIGN_OR_RETURN(
        Statement statement,
        database_->Query("SELECT 1 FROM attempt WHERE lease_id = ? AND session = ? AND state = 'active'", lease_id,
                         worker.session));
    SUB1QUANT_ASSIGN_OR_RETURN(const bool active, statement.Step());
    if (active) {
      deadlines_[lease_id] = now + lease_ttl_;
    } else {
      answer.lost.push_back(lease_id);
    }
  }
  return answer;
}

absl::StatusOr<std::vector<std::string>> SqliteStore::ActiveLeases(const std::string& session) {
  SUB1QUANT_ASSIGN_OR_RETURN(Statement statement,
                             // For the order SQLite would rather read the whole table than sort these few.
                             database_->Query("SELECT lease_id FROM attempt INDEXED BY attempt_active "
                                              "WHERE state = 'active' AND (?1 = '' OR session = ?1) ORDER BY rowid",
                                              session));
  std::vector<std::string> leases;
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return leases;
    leases.push_back(statement.Bytes(0));
  }
}

}  // namespace sub1quant
