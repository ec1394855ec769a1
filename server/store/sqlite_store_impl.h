// The class behind sqlite_store.h, for the files of this folder: jobs.cc, removal.cc, stages.cc, leases.cc (acquire,
// renew), outcomes.cc (complete, fail, release, expire), events.cc, workers.cc.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/random_id.h"
#include "server/store/sqlite.h"
#include "server/store/sqlite_store.h"
#include "server/store/store.h"

namespace sub1quant {

// flock on a file: one process at a time, released when that process ends, however it ends.
class DirectoryLock {
 public:
  static absl::StatusOr<std::unique_ptr<DirectoryLock>> Take(const std::string& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

class SqliteStore final : public StateStore {
 public:
  SqliteStore(const Clock& clock, IdGenerator& ids, std::chrono::milliseconds lease_ttl,
              std::unique_ptr<DirectoryLock> directory_lock, std::unique_ptr<Database> database);
  // Reads what lives in memory: a deadline for every active lease, the workers.
  absl::Status Load();

  absl::StatusOr<Created> CreateJob(const JobRecord& job, const std::vector<StageKey>& stages) override;
  absl::StatusOr<JobRecord> GetJob(const std::string& id) override;
  absl::StatusOr<std::vector<JobRecord>> ListJobs() override;
  absl::StatusOr<std::vector<JobRecord>> ActiveJobs() override;
  absl::StatusOr<std::vector<StageRecord>> Stages(const std::string& job) override;
  absl::StatusOr<std::vector<OutputRecord>> Outputs(const std::string& job) override;
  absl::Status RequestCancel(const std::string& job) override;
  absl::Status EndJob(const std::string& job, JobState state, const absl::Status& error,
                      const std::vector<OutputRecord>& outputs) override;
  absl::StatusOr<std::vector<std::string>> DeleteJob(const std::string& job) override;

  absl::Status StartStage(const std::string& job, const StageKey& stage, const std::vector<NewTask>& tasks) override;
  absl::Status FinishStage(const std::string& job, const StageKey& stage, const std::string& document,
                           const std::vector<OutputRecord>& outputs, const std::vector<std::string>& warnings,
                           const std::vector<std::string>& references) override;
  absl::StatusOr<std::string> StageDocument(const std::string& job, const StageKey& stage) override;
  absl::StatusOr<std::vector<DoneTask>> DoneTasks(const std::string& job, const StageKey& stage) override;
  absl::StatusOr<std::vector<std::optional<std::string>>> FindResults(
      const std::vector<std::string>& action_keys) override;
  absl::Status ForgetResult(const std::string& action_key) override;

  absl::StatusOr<std::vector<GrantedLease>> Acquire(const AcquireQuery& query, SteadyTime now) override;
  absl::StatusOr<RenewAnswer> Renew(const WorkerId& worker, const std::vector<std::string>& lease_ids,
                                    SteadyTime now) override;
  absl::StatusOr<std::string> LeasedPayload(const std::string& lease_id) override;
  absl::StatusOr<bool> Complete(const WorkerId& worker, const std::string& lease_id, const std::string& result,
                                double seconds) override;
  absl::StatusOr<bool> Fail(const WorkerId& worker, const std::string& lease_id, const absl::Status& error,
                            bool final) override;
  absl::StatusOr<int> Release(const WorkerId& worker, const std::vector<std::string>& lease_ids) override;
  absl::StatusOr<int> ExpireLeases(SteadyTime now) override;
  absl::StatusOr<std::optional<absl::Status>> FailedTask(const std::string& job) override;

  absl::StatusOr<std::vector<EventRecord>> Events(const std::string& job, int64_t after, int limit) override;
  absl::StatusOr<std::vector<WorkerRecord>> Workers(SteadyTime now) override;
  absl::Status DrainWorker(const std::string& name) override;
  absl::StatusOr<bool> IsDraining(const WorkerId& worker) override;
  absl::StatusOr<std::vector<QueueCount>> CountTasks() override;
  absl::StatusOr<std::vector<JobCount>> CountJobs() override;
  absl::StatusOr<int64_t> CountActiveLeases() override;
  uint64_t ChangeCount() override;
  void WaitForChange(uint64_t seen, std::chrono::milliseconds timeout) override;
  absl::Status Ping() override;

 private:
  // A stage as transactions need it.
  struct StageRow {
    int64_t seq = 0;
    std::string state;
    int64_t done = 0, total = 0;
  };
  // An attempt with its task and stage, as transactions need them.
  struct AttemptRow {
    std::string lease_id, state, session, worker_name;
    int64_t task = 0, charged = 0;
    std::string job, action_key, description, result;
    double cost = 0;
    int64_t stage_seq = 0;
    StageKey stage;
  };

  // Everything below is called with mutex_ held, what writes inside a transaction.
  absl::StatusOr<Transaction> Begin() {
    written_ = false;
    return Transaction::Begin(*database_);
  }
  absl::Status Commit(Transaction& transaction);
  double WallSeconds() const;

  absl::StatusOr<JobState> StateOf(const std::string& job);  // NotFound
  absl::Status CancelTasks(const std::string& job);
  absl::Status AddOutputs(const std::string& job, const std::vector<OutputRecord>& outputs);
  absl::Status AddWarnings(const std::string& job, const StageKey& stage, const std::vector<std::string>& warnings);
  absl::StatusOr<std::vector<std::string>> WarningsOf(const std::string& job);
  absl::StatusOr<std::vector<JobRecord>> ReadJobs(Statement& statement);
  absl::StatusOr<bool> IsNeeded(const std::string& sha256);

  absl::StatusOr<StageRow> FindStage(const std::string& job, const StageKey& stage);  // NotFound
  absl::Status InsertTasks(const std::string& job, int64_t stage_seq, const std::vector<NewTask>& tasks);
  absl::Status MarkStageDone(const std::string& job, const StageKey& stage);

  absl::StatusOr<std::vector<GrantedLease>> FindGranted(const AcquireQuery& query);
  absl::StatusOr<std::vector<int64_t>> PickTasks(const AcquireQuery& query);
  absl::StatusOr<GrantedLease> Grant(const AcquireQuery& query, int64_t task);

  absl::StatusOr<AttemptRow> FindAttempt(const std::string& lease_id);  // FailedPrecondition: lost
  absl::StatusOr<AttemptRow> FindActive(const WorkerId& worker, const std::string& lease_id);
  absl::StatusOr<std::vector<std::string>> ActiveLeases(const std::string& session);  // "": of all
  absl::Status EndAttempt(const std::string& lease_id, const char* state);
  absl::Status Win(const AttemptRow& attempt, const std::string& result, double seconds);
  absl::Status KeepResult(const AttemptRow& attempt, const std::string& result);
  // Charges the attempt; the task is ready again or quarantined.
  absl::Status Charge(const AttemptRow& attempt, const absl::Status& error, bool final);

  absl::Status AddEvent(const std::string& job, const std::string& kind, const StageKey& stage,
                        const std::string& message);

  // Remembers the worker. A transaction of its own, only if it is not known as it is.
  absl::Status Meet(const WorkerId& worker, SteadyTime now);
  absl::StatusOr<bool> Draining(const std::string& session);
  absl::Status LoadWorkers(SteadyTime now);

  const Clock& clock_;
  IdGenerator& ids_;
  const std::chrono::milliseconds lease_ttl_;
  std::unique_ptr<DirectoryLock> directory_lock_;  // after the database closed

  std::mutex mutex_;
  std::unique_ptr<Database> database_;
  bool written_ = false;                         // the last transaction was committed
  std::map<std::string, SteadyTime> deadlines_;  // by lease id
  struct Seen {
    WorkerId worker;
    SteadyTime at;
  };
  std::map<std::string, Seen> seen_;  // by session

  std::mutex change_mutex_;
  std::condition_variable change_;
  uint64_t changes_ = 0;
};

}  // namespace sub1quant
