// Blobs in a directory that several processes open at the same time. A temporary file is locked (flock) as long as its
// writer lives, so opening sweeps exactly those that a crash has left behind.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/digest.h"
#include "core/failpoint.h"
#include "core/file.h"
#include "core/random_id.h"
#include "core/status.h"
#include "quant/artifact/blob_store.h"

namespace sub1quant {
namespace {

constexpr uint64_t kMaxWholeBlob = uint64_t{1} << 36;
constexpr int kCreateAttempts = 100;
constexpr uint64_t kStartWritingBytes = uint64_t{8} << 20;

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int value = -1) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  Descriptor(Descriptor&& other) noexcept : value_(other.value_) { other.value_ = -1; }
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

absl::Status CheckDigest(const std::string& sha256) {
  if (IsSha256Hex(sha256)) return absl::OkStatus();
  return absl::InvalidArgumentError("blob digest: 64 lower-case hexadecimal digits expected");
}

absl::Status SyncDirectory(const std::string& path) {
  Descriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) return ErrnoStatus(errno, "open directory " + path);
  // Some file systems cannot sync a directory and say so with EINVAL.
  if (fsync(directory.get()) != 0 && errno != EINVAL) return ErrnoStatus(errno, "fsync " + path);
  return absl::OkStatus();
}

// Creates one directory; the entry survives a crash.
absl::Status MakeDirectoryIn(const std::string& parent, const std::string& name) {
  const std::string path = parent + "/" + name;
  if (mkdir(path.c_str(), 0777) == 0) return SyncDirectory(parent);
  return errno == EEXIST ? absl::OkStatus() : ErrnoStatus(errno, "create directory " + path);
}

// Removes the file if nobody holds its lock.
void SweepFile(const std::string& path) {
  Descriptor file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (file.get() < 0 || fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return;
  if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) unlink(path.c_str());
}

class DirectoryWriter : public BlobStore::Writer {
 public:
  // `locate` gives the final path of a digest and makes its directory.
  using Locate = std::function<absl::StatusOr<std::string>(const std::string& sha256)>;

  DirectoryWriter(Descriptor file, std::string temporary, std::string sha256, Locate locate)
      : file_(std::move(file)),
        temporary_(std::move(temporary)),
        sha256_(std::move(sha256)),
        locate_(std::move(locate)) {}
  ~DirectoryWriter() override {
    if (!temporary_.empty()) unlink(temporary_.c_str());
  }

  absl::Status Append(const void* data, size_t size) override {
    const auto* in = static_cast<const char*>(data);
    for (size_t left = size; left > 0;) {
      const ssize_t put = write(file_.get(), in, left);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return ErrnoStatus(errno, "write " + temporary_);
      in += put;
      left -= static_cast<size_t>(put);
    }
    if (sha256_.empty()) digest_.Update(data, size);
    size_ += size;
    StartWriting();
    return absl::OkStatus();
  }

  absl::StatusOr<Blob> Commit() override {
    if (temporary_.empty()) return absl::FailedPreconditionError("blob: committed twice");
    if (fsync(file_.get()) != 0) return ErrnoStatus(errno, "fsync " + temporary_);
    Blob blob{sha256_.empty() ? digest_.HexDigest() : sha256_, size_};
    SUB1QUANT_ASSIGN_OR_RETURN(const std::string path, locate_(blob.sha256));
    SUB1QUANT_RETURN_IF_ERROR(Failpoint("blob.before_rename"));
    if (rename(temporary_.c_str(), path.c_str()) != 0) return ErrnoStatus(errno, "rename to " + path);
    temporary_.clear();
    SUB1QUANT_RETURN_IF_ERROR(SyncDirectory(path.substr(0, path.rfind('/'))));
    return blob;
  }

 private:
  // The disk works from now on and not from fsync on, when everybody waits for it. A hint: errors show there.
  void StartWriting() {
    if (size_ - started_ < kStartWritingBytes) return;
    sync_file_range(file_.get(), static_cast<off_t>(started_), static_cast<off_t>(size_ - started_),
                    SYNC_FILE_RANGE_WRITE);
    started_ = size_;
  }

  Descriptor file_;
  std::string temporary_;
  const std::string sha256_;  // known beforehand, or empty
  const Locate locate_;
  Sha256 digest_;
  uint64_t size_ = 0, started_ = 0;
};

class BlobDirectory : public BlobStore {
 public:
  BlobDirectory(std::string directory, bool flat) : directory_(std::move(directory)), flat_(flat) {}
  // An artifact's blobs/ holds nothing but blobs once its writers are done; rmdir leaves a folder in use alone.
  ~BlobDirectory() override {
    if (flat_) rmdir(TemporaryFolder().c_str());
  }

  void Sweep() {
    const absl::StatusOr<std::vector<std::string>> names = ListDirectory(TemporaryFolder());
    if (!names.ok()) return;  // nothing was ever written, or not by us
    for (const std::string& name : *names) SweepFile(TemporaryFolder() + "/" + name);
  }

  absl::StatusOr<std::unique_ptr<Writer>> NewWriter(const std::string& sha256) override {
    if (!sha256.empty()) SUB1QUANT_RETURN_IF_ERROR(CheckDigest(sha256));
    // Again when another process swept the new file before it was locked, or removed the empty folder.
    for (int attempt = 0; attempt < kCreateAttempts; ++attempt) {
      SUB1QUANT_RETURN_IF_ERROR(MakeDirectoryIn(directory_, "tmp"));
      const std::string path = TemporaryFolder() + "/" + ids_->NewId();
      Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      if (file.get() < 0 && errno == ENOENT) continue;
      if (file.get() < 0) return ErrnoStatus(errno, "create " + path);
      if (flock(file.get(), LOCK_EX) != 0) {
        const int error_number = errno;
        unlink(path.c_str());
        return ErrnoStatus(error_number, "lock " + path);
      }
      struct stat info {};
      if (fstat(file.get(), &info) == 0 && info.st_nlink > 0)
        return std::make_unique<DirectoryWriter>(std::move(file), path, sha256,
                                                 [this](const std::string& digest) { return Locate(digest); });
    }
    return absl::UnavailableError(TemporaryFolder() + ": new files vanish at once");
  }

  absl::StatusOr<uint64_t> Size(const std::string& sha256) override {
    SUB1QUANT_RETURN_IF_ERROR(CheckDigest(sha256));
    struct stat info {};
    if (stat(PathOf(sha256).c_str(), &info) != 0) return ErrnoStatus(errno, "blob " + sha256);
    return static_cast<uint64_t>(info.st_size);
  }

  absl::StatusOr<std::string> Get(const std::string& sha256) override {
    SUB1QUANT_RETURN_IF_ERROR(CheckDigest(sha256));
    absl::StatusOr<std::string> bytes = ReadFile(PathOf(sha256), kMaxWholeBlob);
    if (!bytes.ok()) return Annotate(bytes.status(), "blob " + sha256);
    const std::string found = Sha256Hex(*bytes);
    if (found == sha256) return bytes;
    return absl::DataLossError(absl::StrCat("blob ", sha256, ": the bytes have digest ", found, MoveAside(sha256)));
  }

  absl::Status ReadRange(const std::string& sha256, uint64_t offset, void* buffer, size_t size) override {
    SUB1QUANT_RETURN_IF_ERROR(CheckDigest(sha256));
    absl::StatusOr<std::unique_ptr<ReadableFile>> file = ReadableFile::Open(PathOf(sha256));
    if (!file.ok()) return Annotate(file.status(), "blob " + sha256);
    if (offset > (*file)->size() || size > (*file)->size() - offset)
      return absl::OutOfRangeError(
          absl::StrCat("blob ", sha256, ": bytes ", offset, " to ", offset + size, " asked, it has ", (*file)->size()));
    return (*file)->ReadAt(offset, buffer, size);
  }

  std::string LocalPath(const std::string& sha256) override {
    if (!IsSha256Hex(sha256)) return "";
    const std::string path = PathOf(sha256);
    return PathExists(path) ? path : "";
  }

  absl::Status Delete(const std::string& sha256) override {
    SUB1QUANT_RETURN_IF_ERROR(CheckDigest(sha256));
    if (unlink(PathOf(sha256).c_str()) != 0) return ErrnoStatus(errno, "delete blob " + sha256);
    return absl::OkStatus();
  }

 private:
  std::string TemporaryFolder() const { return directory_ + "/tmp"; }
  std::string PathOf(const std::string& sha256) const {
    return flat_ ? directory_ + "/" + sha256 : directory_ + "/" + sha256.substr(0, 2) + "/" + sha256;
  }
  absl::StatusOr<std::string> Locate(const std::string& sha256) {
    if (!flat_) SUB1QUANT_RETURN_IF_ERROR(MakeFanOut());
    return PathOf(sha256);
  }
  // All 256 folders at the first blob: one wait for the disk, not one at each new pair of digits.
  absl::Status MakeFanOut() {
    const std::lock_guard<std::mutex> lock(fan_out_mutex_);
    if (has_fan_out_) return absl::OkStatus();
    bool made = false;
    for (int byte = 0; byte < 256; ++byte) {
      const std::string path = absl::StrCat(directory_, "/", absl::Hex(byte, absl::kZeroPad2));
      if (mkdir(path.c_str(), 0777) == 0) {
        made = true;
      } else if (errno != EEXIST) {
        return ErrnoStatus(errno, "create directory " + path);
      }
    }
    if (made) SUB1QUANT_RETURN_IF_ERROR(SyncDirectory(directory_));
    has_fan_out_ = true;
    return absl::OkStatus();
  }
  // To DIR/damaged, so that the digest can be written again; what happened, for the message.
  std::string MoveAside(const std::string& sha256) const {
    const std::string aside = directory_ + "/damaged/" + sha256;
    if (!MakeDirectoryIn(directory_, "damaged").ok() || rename(PathOf(sha256).c_str(), aside.c_str()) != 0) return "";
    return "; the damaged file is now " + aside;
  }

  const std::string directory_;
  const bool flat_;
  std::mutex fan_out_mutex_;
  bool has_fan_out_ = false;  // guarded by fan_out_mutex_
  const std::unique_ptr<IdGenerator> ids_ = NewRandomIdGenerator();
};

}  // namespace

absl::StatusOr<std::unique_ptr<BlobStore>> OpenBlobDirectory(const std::string& directory, bool flat) {
  SUB1QUANT_RETURN_IF_ERROR(MakeDirectories(directory));
  auto store = std::make_unique<BlobDirectory>(directory, flat);
  store->Sweep();
  return store;
}

}  // namespace sub1quant
