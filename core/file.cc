#include "core/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/failpoint.h"
#include "core/heartbeat.h"
#include "core/random_id.h"
#include "core/status.h"

namespace sub1quant {
namespace {

// Of one system call, so that reading a large range from a slow disk gives signs of life.
constexpr size_t kReadPiece = size_t{64} << 20;

FileIdentity IdentityOf(const struct stat& info) {
  FileIdentity identity;
  identity.device = info.st_dev;
  identity.inode = info.st_ino;
  identity.size = static_cast<uint64_t>(info.st_size);
  identity.modified_ns = info.st_mtim.tv_sec * int64_t{1000000000} + info.st_mtim.tv_nsec;
  identity.changed_ns = info.st_ctim.tv_sec * int64_t{1000000000} + info.st_ctim.tv_nsec;
  return identity;
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status SyncDirectory(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return ErrnoStatus(errno, "open directory " + path);
  const int result = fsync(descriptor);
  const int error_number = errno;
  close(descriptor);
  // Some file systems cannot sync a directory and say so with EINVAL.
  if (result != 0 && error_number != EINVAL) return ErrnoStatus(error_number, "fsync " + path);
  return absl::OkStatus();
}

}  // namespace

std::string FileIdentity::ToString() const {
  return std::to_string(device) + ":" + std::to_string(inode) + ":" + std::to_string(size) + ":" +
         std::to_string(modified_ns) + ":" + std::to_string(changed_ns);
}

absl::StatusOr<std::unique_ptr<ReadableFile>> ReadableFile::Open(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return ErrnoStatus(errno, path);
  return FromDescriptor(descriptor, path);
}

absl::StatusOr<std::unique_ptr<ReadableFile>> ReadableFile::FromDescriptor(int descriptor, const std::string& path) {
  std::unique_ptr<ReadableFile> file(new ReadableFile(descriptor, path));
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return ErrnoStatus(errno, path);
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(path + ": not a regular file");
  file->identity_ = IdentityOf(info);
  return file;
}

ReadableFile::~ReadableFile() { close(descriptor_); }

absl::Status ReadableFile::ReadAt(uint64_t offset, void* buffer, size_t size) const {
  auto* out = static_cast<char*>(buffer);
  while (size > 0) {
    const Heartbeat::Step step;
    const ssize_t got = pread(descriptor_, out, std::min(size, kReadPiece), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, path_ + ": read at byte " + std::to_string(offset));
    if (got == 0)
      return absl::OutOfRangeError(path_ + ": ends at byte " + std::to_string(offset) + ", " + std::to_string(size) +
                                   " more bytes expected");
    out += got;
    offset += static_cast<uint64_t>(got);
    size -= static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

void ReadableFile::WillRead(uint64_t offset, uint64_t size) const {
  posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(size), POSIX_FADV_WILLNEED);
}

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Map(const ReadableFile& file) {
  if (file.size() == 0) return std::unique_ptr<MappedFile>(new MappedFile(nullptr, 0));
  void* data = mmap(nullptr, file.size(), PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  if (data == MAP_FAILED) return ErrnoStatus(errno, file.path() + ": mmap");
  return std::unique_ptr<MappedFile>(new MappedFile(static_cast<const uint8_t*>(data), file.size()));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<uint8_t*>(data_), size_);
}

absl::StatusOr<std::unique_ptr<AtomicFile>> AtomicFile::Create(const std::string& path) {
  const std::string temporary = path + ".tmp-" + NewRandomIdGenerator()->NewId();
  const int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) return ErrnoStatus(errno, "create " + temporary);
  return std::unique_ptr<AtomicFile>(new AtomicFile(descriptor, path, temporary));
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::Status AtomicFile::Append(const void* data, size_t size) {
  const auto* in = static_cast<const char*>(data);
  while (size > 0) {
    const Heartbeat::Step step;
    const ssize_t put = write(descriptor_, in, size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoStatus(errno, "write " + path_);
    in += put;
    size -= static_cast<size_t>(put);
    size_ += static_cast<uint64_t>(put);
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::Commit() { return CommitAs(path_); }

absl::Status AtomicFile::CommitAs(const std::string& path) {
  {
    const Heartbeat::Rest rest;
    if (fsync(descriptor_) != 0) return ErrnoStatus(errno, "fsync " + path);
  }
  const int descriptor = descriptor_;
  descriptor_ = -1;
  if (close(descriptor) != 0) return ErrnoStatus(errno, "close " + path);
  SUB1QUANT_RETURN_IF_ERROR(Failpoint("file.before_rename"));
  if (rename(temporary_.c_str(), path.c_str()) != 0) return ErrnoStatus(errno, "rename to " + path);
  temporary_.clear();
  return SyncDirectory(DirectoryOf(path));
}

absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t max_bytes) {
  SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> file, ReadableFile::Open(path));
  if (file->size() > max_bytes)
    return absl::ResourceExhaustedError(path + ": " + std::to_string(file->size()) + " bytes, at most " +
                                        std::to_string(max_bytes) + " are accepted");
  std::string bytes(file->size(), '\0');
  SUB1QUANT_RETURN_IF_ERROR(file->ReadAt(0, bytes.data(), bytes.size()));
  return bytes;
}

absl::Status WriteFileAtomically(const std::string& path, const std::string& bytes) {
  SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<AtomicFile> file, AtomicFile::Create(path));
  SUB1QUANT_RETURN_IF_ERROR(file->Append(bytes));
  return file->Commit();
}

absl::Status MakeDirectories(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (!part.empty() && mkdir(part.c_str(), 0777) != 0 && errno != EEXIST)
      return ErrnoStatus(errno, "create directory " + part);
    if (end == std::string::npos) break;
  }
  if (!IsDirectory(path)) return absl::AlreadyExistsError(path + ": exists and is not a directory");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) {
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return ErrnoStatus(errno, path);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

bool PathExists(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0;
}

bool IsDirectory(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

absl::Status LinkOrCopy(const std::string& from, const std::string& to) {
  const std::string temporary = to + ".tmp-" + NewRandomIdGenerator()->NewId();
  if (link(from.c_str(), temporary.c_str()) == 0) {
    if (rename(temporary.c_str(), to.c_str()) == 0) {
      unlink(temporary.c_str());  // rename of two names of one inode does nothing and leaves both
      return absl::OkStatus();
    }
    const int error_number = errno;
    unlink(temporary.c_str());
    return ErrnoStatus(error_number, "rename to " + to);
  }
  SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> source, ReadableFile::Open(from));
  SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<AtomicFile> file, AtomicFile::Create(to));
  std::string buffer(1 << 20, '\0');
  for (uint64_t offset = 0; offset < source->size();) {
    const size_t size = static_cast<size_t>(std::min<uint64_t>(buffer.size(), source->size() - offset));
    SUB1QUANT_RETURN_IF_ERROR(source->ReadAt(offset, buffer.data(), size));
    SUB1QUANT_RETURN_IF_ERROR(file->Append(buffer.data(), size));
    offset += size;
  }
  return file->Commit();
}

}  // namespace sub1quant
