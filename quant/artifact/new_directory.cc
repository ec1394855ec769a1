#include "quant/artifact/new_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <vector>

#include "core/failpoint.h"
#include "core/file.h"
#include "core/random_id.h"
#include "core/status.h"

namespace sub1quant {
namespace {

absl::Status Sync(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return ErrnoStatus(errno, "open directory " + path);
  const int result = fsync(descriptor);
  const int error_number = errno;
  close(descriptor);
  if (result != 0 && error_number != EINVAL) return ErrnoStatus(error_number, "fsync " + path);
  return absl::OkStatus();
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

absl::StatusOr<std::unique_ptr<NewDirectory>> NewDirectory::Create(const std::string& path) {
  std::string place = path;
  while (place.size() > 1 && place.back() == '/') place.pop_back();
  if (PathExists(place)) {
    absl::StatusOr<std::vector<std::string>> names = ListDirectory(place);
    if (!names.ok() || !names->empty())
      return absl::AlreadyExistsError(place + ": exists and is not an empty directory");
  }
  SUB1QUANT_RETURN_IF_ERROR(MakeDirectories(ParentOf(place)));
  const std::string temporary = place + ".tmp-" + NewRandomIdGenerator()->NewId();
  if (mkdir(temporary.c_str(), 0777) != 0) return ErrnoStatus(errno, "create directory " + temporary);
  return std::unique_ptr<NewDirectory>(new NewDirectory(place, temporary));
}

NewDirectory::~NewDirectory() {
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
}

absl::Status NewDirectory::Commit() {
  SUB1QUANT_RETURN_IF_ERROR(Sync(temporary_));
  SUB1QUANT_RETURN_IF_ERROR(Failpoint("directory.before_rename"));
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return ErrnoStatus(errno, "rename to " + path_);
  temporary_.clear();
  return Sync(ParentOf(path_));
}

}  // namespace sub1quant
