#include "client/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/file.h"
#include "core/status.h"

extern char** environ;

namespace sub1quant {
namespace {

constexpr size_t kMaxOutput = size_t{64} << 10;
constexpr off_t kLogTail = 8192;

// posix_spawn, so that no thread of gRPC is in between.
class Spawn {
 public:
  Spawn() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  ~Spawn() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  posix_spawn_file_actions_t& actions() { return actions_; }
  absl::StatusOr<pid_t> Run(const std::string& program, const std::vector<std::string>& arguments) {
    std::vector<char*> argv = {const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    pid_t pid = 0;
    const int error = posix_spawn(&pid, program.c_str(), &actions_, &attributes_, argv.data(), environ);
    if (error != 0) return ErrnoStatus(error, absl::StrCat("start ", program));
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

std::string ReadAll(int descriptor) {
  std::string text;
  char buffer[4096];
  while (text.size() < kMaxOutput) {
    const ssize_t got = read(descriptor, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

}  // namespace

absl::StatusOr<pid_t> StartProcess(const std::string& program, const std::vector<std::string>& arguments,
                                   const std::string& log, bool truncate) {
  Spawn spawn;
  const int flags = O_WRONLY | O_CREAT | O_APPEND | (truncate ? O_TRUNC : 0);
  posix_spawn_file_actions_addopen(&spawn.actions(), STDOUT_FILENO, log.c_str(), flags, 0600);
  posix_spawn_file_actions_adddup2(&spawn.actions(), STDOUT_FILENO, STDERR_FILENO);
  return spawn.Run(program, arguments);
}

absl::StatusOr<std::string> OutputOf(const std::string& program, const std::vector<std::string>& arguments) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  Spawn spawn;
  posix_spawn_file_actions_adddup2(&spawn.actions(), ends[1], STDOUT_FILENO);
  const absl::StatusOr<pid_t> pid = spawn.Run(program, arguments);
  close(ends[1]);
  const std::string text = pid.ok() ? ReadAll(ends[0]) : "";
  close(ends[0]);
  if (!pid.ok()) return pid.status();
  int status = 0;
  while (waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) return absl::UnknownError(absl::StrCat(program, ": ", DescribeExit(status)));
  return text;
}

std::string DescribeExit(int wait_status) {
  if (WIFSIGNALED(wait_status))
    return absl::StrCat("signal ", WTERMSIG(wait_status), " (", strsignal(WTERMSIG(wait_status)), ")");
  return absl::StrCat("exit status ", WEXITSTATUS(wait_status));
}

absl::StatusOr<std::string> FindProgram(const std::string& name, const std::string& executable,
                                        const std::string& path) {
  const std::string folder = std::filesystem::path(executable).parent_path().string();
  std::vector<std::string> places = {folder, folder + "/../libexec/sub1quant", folder + "/../libexec"};
  for (const std::string& place : std::vector<std::string>(absl::StrSplit(path, ':', absl::SkipEmpty())))
    places.push_back(place);
  for (const std::string& place : places) {
    const std::string candidate = place + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0 && !IsDirectory(candidate)) return candidate;
  }
  return absl::NotFoundError(absl::StrCat(name, ": neither beside ", executable, " nor in ../libexec nor on PATH"));
}

std::string LastLine(const std::string& log) {
  const absl::StatusOr<std::unique_ptr<ReadableFile>> file = ReadableFile::Open(log);
  if (!file.ok()) return "";
  const uint64_t size = (*file)->size(), from = size > kLogTail ? size - kLogTail : 0;
  std::string text(size - from, '\0');
  if (!(*file)->ReadAt(from, text.data(), text.size()).ok()) return "";
  const size_t end = text.find_last_not_of(" \r\n\t");
  if (end == std::string::npos) return "";
  const size_t start = text.rfind('\n', end);
  return text.substr(start == std::string::npos ? 0 : start + 1,
                     end - (start == std::string::npos ? 0 : start + 1) + 1);
}

}  // namespace sub1quant
