// The truth of the service: jobs, stages, tasks, attempts, results, events (docs/protocol.md). Every method is one
// transaction: it happened whole and is on disk, or not at all. Thread-safe. Payloads, results and documents are opaque
// bytes.
//
// Errors: NotFound (no such job), FailedPrecondition (lease lost, wrong state), AlreadyExists, ResourceExhausted (disk
// full), Unavailable (the database does not answer).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/clock.h"

namespace sub1quant {

enum class JobState { kAccepted, kRunning, kSucceeded, kFailed, kCancelled };
std::string JobStateName(JobState state);  // "accepted", …
inline bool Ended(JobState state) { return state != JobState::kAccepted && state != JobState::kRunning; }

// A stage of a job: name as in docs/protocol.md; `target` is the index of the bits-per-weight target, 0 for stages of
// the whole job.
struct StageKey {
  std::string name;
  int target = 0;
  friend bool operator==(const StageKey&, const StageKey&) = default;
  friend auto operator<=>(const StageKey&, const StageKey&) = default;
};

struct JobRecord {
  std::string id;
  std::string idempotency_key;
  std::string specification;  // JSON; the idempotency comparison is over these bytes
  JobState state = JobState::kAccepted;
  bool cancelling = false;
  int error_code = 0;  // absl::StatusCode
  std::string error_message;
  std::vector<std::string> warnings;
  double created_at = 0, finished_at = 0;  // seconds since the epoch
};

struct StageRecord {
  StageKey key;
  std::string state;  // waiting, running, done
  int64_t done = 0, total = 0, reused = 0;
  double cost_done = 0, cost_total = 0;
  double started_at = 0, finished_at = 0;  // seconds since the epoch, 0: not yet
};

struct NewTask {
  int64_t ordinal = 0;    // 0.. within the stage
  std::string operation;  // search, pack, score, export
  std::string action_key;
  std::string affinity;     // of score tasks: model_identity/manifest_sha256
  double cost = 0;          // estimated seconds on one CPU core
  std::string description;  // for people: the tensor's key, "windows 0-31"
  std::string payload;
  std::optional<std::string> result;  // of an earlier task with this action key: the task is done when it is created
};

struct OutputRecord {
  std::string path, sha256;
  uint64_t size = 0;
};

struct EventRecord {
  int64_t sequence = 0;
  double at = 0;  // seconds since the epoch
  std::string kind, stage, message;
  int target = 0;
};

struct WorkerRecord {
  std::string name, session, device, version;
  int64_t tasks_done = 0;
  bool draining = false;
  double seen_seconds_ago = 0;
  std::vector<std::string> stages;  // of the leases it holds
};

struct WorkerId {
  std::string name, session, device, version;
};

struct AcquireQuery {
  WorkerId worker;
  std::vector<std::string> operations;
  int max_tasks = 1;
  std::string loaded_model;  // tasks with this affinity come first
  std::string request_id;    // the same again within a lease's life: the same leases
};

struct GrantedLease {
  std::string lease_id, payload, description;
  int attempt = 1;
  double cost = 0;  // of the task
};

struct RenewAnswer {
  std::vector<std::string> lost;
  bool drain = false;
};

struct DoneTask {
  int64_t ordinal = 0;
  std::string result;
  std::string worker;  // "" if reused
  double seconds = 0;
};

// What the task queue holds, for metrics.
struct QueueCount {
  std::string stage, state;  // ready, leased, done, quarantined, cancelled
  int64_t tasks = 0;
};

class StateStore {
 public:
  virtual ~StateStore() = default;

  // --- Jobs ---
  struct Created {
    std::string id;
    bool created = false;
  };
  // `id` is used if the key is new; the same key with the same specification answers the old job, with another
  // AlreadyExists.
  virtual absl::StatusOr<Created> CreateJob(const JobRecord& job, const std::vector<StageKey>& stages) = 0;
  virtual absl::StatusOr<JobRecord> GetJob(const std::string& id) = 0;
  virtual absl::StatusOr<std::vector<JobRecord>> ListJobs() = 0;  // newest first
  // Those that have not ended, oldest first. Costs nothing for the others.
  virtual absl::StatusOr<std::vector<JobRecord>> ActiveJobs() = 0;
  virtual absl::StatusOr<std::vector<StageRecord>> Stages(const std::string& job) = 0;  // in the order of CreateJob
  virtual absl::StatusOr<std::vector<OutputRecord>> Outputs(const std::string& job) = 0;
  // Marks; the conductor ends the job. No effect on a job that has ended.
  virtual absl::Status RequestCancel(const std::string& job) = 0;
  // Ends the job; its ready and leased tasks are cancelled, their active attempts lost. No effect if it has ended.
  virtual absl::Status EndJob(const std::string& job, JobState state, const absl::Status& error,
                              const std::vector<OutputRecord>& outputs) = 0;
  // Removes a job that has ended; returns the digests of outputs and references that no other job has.
  virtual absl::StatusOr<std::vector<std::string>> DeleteJob(const std::string& job) = 0;

  // --- Stages ---
  // Inserts the tasks and starts the stage; with no task left to do it is done at once. A stage that is not waiting is
  // left as it is (a restarted conductor may try again). The first started stage moves the job to running.
  virtual absl::Status StartStage(const std::string& job, const StageKey& stage, const std::vector<NewTask>& tasks) = 0;
  // Ends a stage of the server's own with its document, and adds outputs and warnings. `references`: blobs that must
  // live as long as the job (tokens, manifest), for DeleteJob.
  virtual absl::Status FinishStage(const std::string& job, const StageKey& stage, const std::string& document,
                                   const std::vector<OutputRecord>& outputs, const std::vector<std::string>& warnings,
                                   const std::vector<std::string>& references) = 0;
  virtual absl::StatusOr<std::string> StageDocument(const std::string& job, const StageKey& stage) = 0;
  virtual absl::StatusOr<std::vector<DoneTask>> DoneTasks(const std::string& job,
                                                          const StageKey& stage) = 0;  // by ordinal
  // Earlier results, by action key; absent keys give nullopt.
  virtual absl::StatusOr<std::vector<std::optional<std::string>>> FindResults(
      const std::vector<std::string>& action_keys) = 0;
  virtual absl::Status ForgetResult(const std::string& action_key) = 0;  // its blob is gone

  // --- Leases; `now` is the coordinator's steady clock ---
  virtual absl::StatusOr<std::vector<GrantedLease>> Acquire(const AcquireQuery& query, SteadyTime now) = 0;
  virtual absl::StatusOr<RenewAnswer> Renew(const WorkerId& worker, const std::vector<std::string>& lease_ids,
                                            SteadyTime now) = 0;
  // The payload of an active lease's task, to check a result against.
  virtual absl::StatusOr<std::string> LeasedPayload(const std::string& lease_id) = 0;
  // False: the same completion again, its answer was lost; nothing changes.
  virtual absl::StatusOr<bool> Complete(const WorkerId& worker, const std::string& lease_id, const std::string& result,
                                        double seconds) = 0;
  // `final`: trying again cannot help; the job is to fail with this error (see FailedTask). Else the attempt is
  // charged; the task is quarantined after 3 charged attempts. False: the same lease's failure again; nothing
  // changes.
  virtual absl::StatusOr<bool> Fail(const WorkerId& worker, const std::string& lease_id, const absl::Status& error,
                                    bool final) = 0;
  // Uncharged. Empty: all leases of the session. Returns how many.
  virtual absl::StatusOr<int> Release(const WorkerId& worker, const std::vector<std::string>& lease_ids) = 0;
  // Ends attempts whose time to live is over; returns how many.
  virtual absl::StatusOr<int> ExpireLeases(SteadyTime now) = 0;
  // The error of the first quarantined task of a job, if any.
  virtual absl::StatusOr<std::optional<absl::Status>> FailedTask(const std::string& job) = 0;

  // --- Events, workers, figures ---
  virtual absl::StatusOr<std::vector<EventRecord>> Events(const std::string& job, int64_t after, int limit) = 0;
  virtual absl::StatusOr<std::vector<WorkerRecord>> Workers(SteadyTime now) = 0;
  // NotFound for an unknown name.
  virtual absl::Status DrainWorker(const std::string& name) = 0;
  virtual absl::StatusOr<bool> IsDraining(const WorkerId& worker) = 0;
  virtual absl::StatusOr<std::vector<QueueCount>> CountTasks() = 0;
  struct JobCount {
    std::string state;
    int64_t jobs = 0;
  };
  virtual absl::StatusOr<std::vector<JobCount>> CountJobs() = 0;
  virtual absl::StatusOr<int64_t> CountActiveLeases() = 0;
  // Changes with every commit; WaitForChange returns when it differs from `seen` or `timeout` has passed.
  virtual uint64_t ChangeCount() = 0;
  virtual void WaitForChange(uint64_t seen, std::chrono::milliseconds timeout) = 0;
  // OK if the store can be read, and written as far as is known: after a transaction that was not committed it tries.
  virtual absl::Status Ping() = 0;
};

}  // namespace sub1quant
