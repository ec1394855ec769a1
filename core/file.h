// The file system as this project uses it: positional reads, mapped files, and files that appear whole or not at all.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sub1quant {

// What names one version of a file: cached digests and action keys use it.
struct FileIdentity {
  uint64_t device = 0, inode = 0, size = 0;
  int64_t modified_ns = 0, changed_ns = 0;
  std::string ToString() const;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// An open regular file. Thread-safe (pread).
class ReadableFile {
 public:
  static absl::StatusOr<std::unique_ptr<ReadableFile>> Open(const std::string& path);
  // Takes ownership of the descriptor; `path` is for messages.
  static absl::StatusOr<std::unique_ptr<ReadableFile>> FromDescriptor(int descriptor, const std::string& path);
  ~ReadableFile();
  ReadableFile(const ReadableFile&) = delete;
  ReadableFile& operator=(const ReadableFile&) = delete;

  const std::string& path() const { return path_; }
  const FileIdentity& identity() const { return identity_; }  // as of Open
  uint64_t size() const { return identity_.size; }
  // All `size` bytes, or OutOfRange if the file ends before.
  absl::Status ReadAt(uint64_t offset, void* buffer, size_t size) const;
  // A hint: the system begins to read this range from the disk, nobody waits.
  void WillRead(uint64_t offset, uint64_t size) const;
  int descriptor() const { return descriptor_; }

 private:
  ReadableFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  int descriptor_;
  std::string path_;
  FileIdentity identity_;
};

// A whole file mapped read-only, private. Empty files map to size 0.
class MappedFile {
 public:
  static absl::StatusOr<std::unique_ptr<MappedFile>> Map(const ReadableFile& file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  const uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }

 private:
  MappedFile(const uint8_t* data, uint64_t size) : data_(data), size_(size) {}
  const uint8_t* data_;
  uint64_t size_;
};

// Writes `path`.tmp-<random>; Commit does fsync, rename, fsync of the directory. Without Commit nothing remains.
class AtomicFile {
 public:
  static absl::StatusOr<std::unique_ptr<AtomicFile>> Create(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  absl::Status Append(const void* data, size_t size);
  absl::Status Append(const std::string& text) { return Append(text.data(), text.size()); }
  uint64_t size() const { return size_; }
  absl::Status Commit();
  // As Commit, under another name (a blob learns its name from its digest).
  absl::Status CommitAs(const std::string& path);

 private:
  AtomicFile(int descriptor, std::string path, std::string temporary)
      : descriptor_(descriptor), path_(std::move(path)), temporary_(std::move(temporary)) {}
  int descriptor_;
  std::string path_, temporary_;
  uint64_t size_ = 0;
};

// Whole file; ResourceExhausted if it is larger than `max_bytes`.
absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t max_bytes = uint64_t{1} << 32);
absl::Status WriteFileAtomically(const std::string& path, const std::string& bytes);
// mkdir -p
absl::Status MakeDirectories(const std::string& path);
// Entry names, sorted by bytes, without . and ..
absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path);
bool PathExists(const std::string& path);
bool IsDirectory(const std::string& path);
// Hard link if possible (same file system), else an atomic copy. Replaces `to`.
absl::Status LinkOrCopy(const std::string& from, const std::string& to);

}  // namespace sub1quant
