#include "client/local_service.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/outcome.h"
#include "client/process.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/random_id.h"
#include "core/status.h"

namespace sub1quant {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLook{50}, kServerStart{30000};
// Below this the store cannot be written; after so long it is not a passing shortage.
constexpr uint64_t kFullDisk = 256 << 10;
constexpr milliseconds kFullDiskPatience{5000};
constexpr size_t kMaxSocketPath = 107;
// Remembers the socket's directory, so that the next run can remove that of a killed one.
constexpr char kSocketRecord[] = "socket-directory";

void RemoveSocketDirectory(const std::string& path) {
  if (path.find("/sub1quant-") == std::string::npos) return;
  unlink((path + "/s").c_str());
  rmdir(path.c_str());
}

absl::Status WithLog(const std::string& what, const std::string& log) {
  const std::string last = LastLine(log);
  return WithHint(WithExit(absl::UnknownError(last.empty() ? what : absl::StrCat(what, ": ", last)), ExitCode::kFailed),
                  absl::StrCat("its log is ", log));
}

bool WorkerHasCuda(const Environment& environment) {
  const absl::StatusOr<std::string> program = FindProgram("sub1quant-worker", environment.executable, environment.path);
  if (!program.ok()) return false;
  const absl::StatusOr<std::string> version = OutputOf(*program, {"--version"});
  return version.ok() && absl::StrContains(*version, "cuda");
}

}  // namespace

int CountGpus(const Environment& environment) {
  int devices = 0;
  const absl::StatusOr<std::vector<std::string>> entries = ListDirectory("/dev");
  if (!entries.ok()) return 0;
  for (const std::string& name : *entries)
    devices += absl::StartsWith(name, "nvidia") && name.size() > 6 &&
               std::all_of(name.begin() + 6, name.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  if (environment.cuda_visible_devices.empty()) return devices;
  const std::vector<std::string> visible = absl::StrSplit(environment.cuda_visible_devices, ',', absl::SkipEmpty());
  return std::min(devices, static_cast<int>(visible.size()));
}

LocalService::LocalService(Environment environment, LocalServiceOptions options)
    : environment_(std::move(environment)), options_(std::move(options)) {}

LocalService::~LocalService() { Stop(milliseconds(5000)); }

void LocalService::Note(const std::string& line) const {
  if (options_.note) options_.note(line);
}

absl::StatusOr<std::unique_ptr<LocalService>> LocalService::Start(const Environment& environment,
                                                                  LocalServiceOptions options) {
  if (absl::StartsWith(options.device, "cuda") && !WorkerHasCuda(environment))
    return absl::InvalidArgumentError(absl::StrCat("--device ", options.device, ": this build has no CUDA; use cpu"));
  std::unique_ptr<LocalService> service(new LocalService(environment, std::move(options)));
  SUB1QUANT_RETURN_IF_ERROR(service->MakeSocketDirectory());
  SUB1QUANT_RETURN_IF_ERROR(service->StartServer());
  SUB1QUANT_RETURN_IF_ERROR(service->AwaitServer());
  service->supervisor_ = std::thread([raw = service.get()] { raw->Supervise(); });
  return service;
}

absl::Status LocalService::MakeSocketDirectory() {
  const std::string record = options_.state + "/" + kSocketRecord;
  if (const absl::StatusOr<std::string> old = ReadFile(record, 4096); old.ok()) RemoveSocketDirectory(*old);
  for (const std::string& base : {environment_.xdg_runtime_dir, std::string("/tmp"), options_.state}) {
    std::string path = base + "/sub1quant-XXXXXX";
    if (base.empty() || base.front() != '/' || path.size() + 2 > kMaxSocketPath) continue;
    if (mkdtemp(path.data()) == nullptr) continue;
    socket_directory_ = path;
    address_ = absl::StrCat("unix:", path, "/s");
    return WriteFileAtomically(record, path);
  }
  return absl::PermissionDeniedError("no directory for a Unix socket: neither XDG_RUNTIME_DIR nor /tmp can be written");
}

absl::Status LocalService::StartServer() {
  auto server = std::make_unique<Child>();
  SUB1QUANT_ASSIGN_OR_RETURN(server->program,
                             FindProgram("sub1quant-server", environment_.executable, environment_.path));
  server->name = "server";
  server->is_server = true;
  server->log = options_.state + "/server.log";
  server->arguments = {"--listen",
                       address_,
                       "--data",
                       options_.state,
                       "--model-root",
                       absl::StrCat(kLocalRoot, "=", options_.model_directory),
                       "--trust-model-roots",
                       "--parent-death"};
  SUB1QUANT_RETURN_IF_ERROR(Launch(*server, true));
  children_.push_back(std::move(server));
  return absl::OkStatus();
}

absl::Status LocalService::AwaitServer() {
  Child& server = *children_.front();
  const std::string socket = socket_directory_ + "/s";
  const steady_clock::time_point end = steady_clock::now() + kServerStart;
  while (!PathExists(socket)) {
    int status = 0;
    if (waitpid(server.pid, &status, WNOHANG) == server.pid) {
      server.pid = 0;
      return WithLog(absl::StrCat("the private server ended with ", DescribeExit(status)), server.log);
    }
    if (options_.stop && options_.stop()) return absl::CancelledError("stopped");
    if (steady_clock::now() > end) return WithLog("the private server does not open its socket", server.log);
    std::this_thread::sleep_for(milliseconds(5));
  }
  SUB1QUANT_ASSIGN_OR_RETURN(session_, Session::Open(address_));
  const absl::Status answered = session_->Info(kServerStart).status();
  if (!answered.ok())
    return WithLog(absl::StrCat("the private server does not answer: ", std::string(answered.message())), server.log);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LocalService::Child>> LocalService::MakeWorker(int index, int threads,
                                                                              const std::string& device) const {
  auto worker = std::make_unique<Child>();
  SUB1QUANT_ASSIGN_OR_RETURN(worker->program,
                             FindProgram("sub1quant-worker", environment_.executable, environment_.path));
  worker->name = absl::StrCat("local-", index);
  worker->log = absl::StrCat(options_.state, "/worker-", index, ".log");
  worker->arguments = {"--server",
                       address_,
                       "--model-root",
                       absl::StrCat(kLocalRoot, "=", options_.model_directory),
                       "--trust-model-roots",
                       "--fail-when-full",
                       "--blobs",
                       options_.state + "/blobs",
                       "--digests",
                       options_.state + "/tensor-digests",
                       "--device",
                       device,
                       "--threads",
                       std::to_string(threads),
                       "--name",
                       worker->name,
                       "--parent-death"};
  if (options_.memory > 0)
    worker->arguments.insert(worker->arguments.end(), {"--memory", absl::StrCat(options_.memory)});
  return worker;
}

absl::Status LocalService::StartWorkers() {
  int gpus = options_.device == "auto" ? CountGpus(environment_) : 0;
  // A worker without CUDA would run on the CPU: one of them is enough then.
  if (gpus > 0 && !WorkerHasCuda(environment_)) gpus = 0;
  const int count = options_.workers > 0 ? options_.workers : std::max(1, gpus);
  const int threads = options_.threads > 0 ? options_.threads : std::max(1, AvailableThreads() / count);
  for (int index = 0; index < count; ++index) {
    const std::string device = gpus > 0 ? absl::StrCat("cuda:", index % gpus) : options_.device;
    SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<Child> worker, MakeWorker(index, threads, device));
    SUB1QUANT_RETURN_IF_ERROR(Launch(*worker, true));
    const std::lock_guard<std::mutex> lock(mutex_);
    children_.push_back(std::move(worker));
  }
  return absl::OkStatus();
}

absl::Status LocalService::Launch(Child& child, bool truncate) {
  std::vector<std::string> arguments = child.arguments;
  if (!child.is_server) {
    // A new session each time: what the dead one held is not this one's.
    child.worker_session = NewRandomIdGenerator()->NewId();
    arguments.insert(arguments.end(), {"--session", child.worker_session});
  } else {
    unlink((socket_directory_ + "/s").c_str());
  }
  SUB1QUANT_ASSIGN_OR_RETURN(const pid_t pid, StartProcess(child.program, arguments, child.log, truncate));
  child.pid = pid;
  return absl::OkStatus();
}

void LocalService::Supervise() {
  while (!stopping_) {
    std::vector<Child*> children;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (const auto& child : children_) children.push_back(child.get());
    }
    for (Child* child : children)
      if (!stopping_) Look(*child);
    LookAtDisk();
    std::this_thread::sleep_for(kLook);
  }
}

// A service waits until a full disk has room again; a command on a laptop has to say what it waits for.
void LocalService::LookAtDisk() {
  struct statvfs space {};
  const bool full = statvfs(options_.state.c_str(), &space) == 0 && space.f_bavail * space.f_frsize < kFullDisk;
  if (!full) disk_full_since_.reset();
  if (!full || disk_reported_) return;
  const steady_clock::time_point now = steady_clock::now();
  if (!disk_full_since_) disk_full_since_ = now;
  if (now - *disk_full_since_ < kFullDiskPatience) return;
  disk_reported_ = true;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!health_.ok()) return;
  health_ = WithHint(
      WithExit(absl::ResourceExhaustedError(absl::StrCat("--state ", options_.state, ": No space left on device")),
               ExitCode::kFailed),
      "free some space, or name another directory with --state; the same command goes on");
  session_->StopWatching();
}

void LocalService::Look(Child& child) {
  if (child.gone) return;
  if (child.pid != 0) {
    int status = 0;
    if (waitpid(child.pid, &status, WNOHANG) != child.pid) return;
    child.pid = 0;
    HandleExit(child, status);
  } else if (steady_clock::now() >= child.start_again) {
    const absl::Status started = Launch(child, false);
    if (!started.ok()) GiveUp(child, std::string(started.message()));
  }
}

void LocalService::HandleExit(Child& child, int wait_status) {
  const std::string ended = absl::StrCat(child.is_server ? "the server" : absl::StrCat("worker ", child.name),
                                         " ended with ", DescribeExit(wait_status));
  if (!child.is_server) session_->Release(child.name, child.worker_session).IgnoreError();
  if (!child.is_server && WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
    return GiveUp(child, absl::StrCat(ended, " (drained)"));
  if (++child.restarts > kMaxRestarts) return GiveUp(child, absl::StrCat(ended, " once more"));
  Note(absl::StrCat("warning: ", ended, "; started again (", child.restarts, " of ", kMaxRestarts,
                    "), log: ", child.log));
  child.start_again = steady_clock::now() + milliseconds(child.restarts == 1 ? 0 : 100 << child.restarts);
}

void LocalService::GiveUp(Child& child, const std::string& why) {
  child.gone = true;
  Note(absl::StrCat("warning: ", why, "; not started again"));
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool workers_gone = std::all_of(children_.begin(), children_.end(),
                                        [](const auto& other) { return other->is_server || other->gone; });
  if (health_.ok() && (child.is_server || workers_gone)) {
    health_ = WithLog(absl::StrCat(child.is_server ? "" : "no worker is left: ", why), child.log);
    session_->StopWatching();
  }
}

absl::Status LocalService::Health() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return health_;
}

void LocalService::Stop(milliseconds grace) {
  if (socket_directory_.empty()) return;
  stopping_ = true;
  if (supervisor_.joinable()) supervisor_.join();
  // A connection that nobody reads keeps the server waiting for its farewell to be answered.
  session_.reset();
  // Workers first: they tell the server what they give back.
  for (const bool servers : {false, true}) {
    const steady_clock::time_point end = steady_clock::now() + grace;
    for (const auto& child : children_)
      if (child->is_server == servers && child->pid != 0) kill(child->pid, SIGTERM);
    for (const auto& child : children_) {
      if (child->is_server != servers || child->pid == 0) continue;
      int status = 0;
      while (waitpid(child->pid, &status, WNOHANG) == 0) {
        if (steady_clock::now() > end) kill(-child->pid, SIGKILL);
        std::this_thread::sleep_for(milliseconds(5));
      }
      child->pid = 0;
    }
  }
  RemoveSocketDirectory(socket_directory_);
  unlink((options_.state + "/" + kSocketRecord).c_str());
  socket_directory_.clear();
}

void LocalService::KillAll() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& child : children_)
    if (const pid_t pid = child->pid; pid > 0) kill(-pid, SIGKILL);
  RemoveSocketDirectory(socket_directory_);
}

}  // namespace sub1quant
