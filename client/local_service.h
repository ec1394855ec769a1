// A private server and its workers on this machine (docs/distributed.md §2.1): started on a Unix socket, watched,
// started again when they die, stopped at the end. Children die with this process.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "client/context.h"
#include "client/session.h"

namespace sub1quant {

struct LocalServiceOptions {
  std::string state;            // absolute; store, blobs, logs
  std::string model_directory;  // absolute; workers and server know it as root `local`
  int workers = 0;              // 0: one per GPU, else one
  std::string device = "auto";
  int threads = 0;                               // per worker; 0: what is there, divided among the workers
  uint64_t memory = 0;                           // per worker, for scoring; 0: what is there
  std::function<void(const std::string&)> note;  // from any thread
  std::function<bool()> stop;                    // asked while the server starts: true gives up
};

inline constexpr char kLocalRoot[] = "local";
// Each process is started again this often.
inline constexpr int kMaxRestarts = 5;

class LocalService {
 public:
  // Starts the server and waits until it answers.
  static absl::StatusOr<std::unique_ptr<LocalService>> Start(const Environment& environment,
                                                             LocalServiceOptions options);
  ~LocalService();  // Stop

  Session& session() { return *session_; }
  absl::Status StartWorkers();
  // Not OK once the server, or every worker, has died for good.
  absl::Status Health() const;
  // Ends the session; SIGTERM, then SIGKILL after `grace`. Again: no effect.
  void Stop(std::chrono::milliseconds grace);
  // SIGKILL to all, nothing else: for the second Ctrl-C. Does not wait.
  void KillAll();

 private:
  struct Child {
    std::string name, program, log, worker_session;
    std::vector<std::string> arguments;
    bool is_server = false;
    std::atomic<pid_t> pid{0};
    int restarts = 0;
    bool gone = false;  // for good
    std::chrono::steady_clock::time_point start_again;
  };

  LocalService(Environment environment, LocalServiceOptions options);
  absl::Status MakeSocketDirectory();
  absl::Status StartServer();
  absl::Status AwaitServer();
  absl::StatusOr<std::unique_ptr<Child>> MakeWorker(int index, int threads, const std::string& device) const;
  absl::Status Launch(Child& child, bool truncate);
  void Supervise();
  void Look(Child& child);
  void LookAtDisk();
  void HandleExit(Child& child, int wait_status);
  void GiveUp(Child& child, const std::string& why);
  void Note(const std::string& line) const;

  const Environment environment_;
  LocalServiceOptions options_;
  std::string socket_directory_, address_;
  std::unique_ptr<Session> session_;
  mutable std::mutex mutex_;  // children_ (the list), health_
  std::vector<std::unique_ptr<Child>> children_;
  absl::Status health_;
  bool disk_reported_ = false;  // of the supervising thread
  std::optional<std::chrono::steady_clock::time_point> disk_full_since_;
  std::atomic<bool> stopping_{false};
  std::thread supervisor_;
};

// GPUs that this process may use, as far as the file system and CUDA_VISIBLE_DEVICES tell.
int CountGpus(const Environment& environment);

}  // namespace sub1quant
