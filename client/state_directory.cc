#include "client/state_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "client/outcome.h"
#include "core/file.h"
#include "core/status.h"

namespace sub1quant {
namespace {

absl::Status Busy(const std::string& path, int lock) {
  char text[32] = {};
  const ssize_t got = pread(lock, text, sizeof text - 1, 0);
  const std::string holder =
      got > 1 ? absl::StrCat(" (process ", std::string(text, static_cast<size_t>(got) - 1), ")") : "";
  return WithHint(WithExit(absl::FailedPreconditionError(
                               absl::StrCat("--state ", path, ": another run", holder, " is using this directory")),
                           ExitCode::kRefused),
                  "wait for it, or name another --state directory");
}

}  // namespace

std::string DefaultStateDirectory(const Environment& environment) {
  if (!environment.xdg_state_home.empty() && environment.xdg_state_home.front() == '/')
    return environment.xdg_state_home + "/sub1quant";
  return environment.home.empty() ? "" : environment.home + "/.local/state/sub1quant";
}

absl::StatusOr<StateDirectory> StateDirectory::Open(const std::string& given) {
  const std::string path = std::filesystem::absolute(given).lexically_normal().string();
  const bool existed = PathExists(path);
  if (absl::Status made = MakeDirectories(path); !made.ok())
    return WithHint(WithExit(Annotate(made, absl::StrCat("--state ", given)), ExitCode::kUsage),
                    "--state names another directory");
  if (!existed) chmod(path.c_str(), 0700);
  const std::string name = path + "/lock";
  const int lock = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return WithExit(ErrnoStatus(errno, absl::StrCat("--state ", given, ": lock")), ExitCode::kUsage);
  StateDirectory state(path, lock);
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Busy(given, lock);
    return ErrnoStatus(errno, absl::StrCat("--state ", given, ": lock"));
  }
  const std::string holder = absl::StrCat(getpid(), "\n");
  if (ftruncate(lock, 0) != 0 || pwrite(lock, holder.data(), holder.size(), 0) != static_cast<ssize_t>(holder.size()))
    return WithExit(ErrnoStatus(errno, absl::StrCat("--state ", given, ": cannot be written")), ExitCode::kUsage);
  return state;
}

StateDirectory::StateDirectory(StateDirectory&& other) noexcept : path_(std::move(other.path_)), lock_(other.lock_) {
  other.lock_ = -1;
}

StateDirectory::~StateDirectory() {
  if (lock_ >= 0) close(lock_);
}

}  // namespace sub1quant
