#include "worker/bounded_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "core/digest.h"
#include "core/file.h"
#include "core/status.h"
#include "spdlog/spdlog.h"

namespace sub1quant {
namespace {

// What must go goes with a tenth of the limit on top, so that not every write reads the whole directory.
constexpr double kKept = 0.9;

struct CachedBlob {
  int64_t seconds = 0, nanoseconds = 0;  // of its last use
  std::string sha256;
  uint64_t size = 0;
};

bool UsedBefore(const CachedBlob& a, const CachedBlob& b) {
  return std::tie(a.seconds, a.nanoseconds, a.sha256) < std::tie(b.seconds, b.nanoseconds, b.sha256);
}

class BoundedCache final : public BlobStore {
 public:
  BoundedCache(const Clock& clock, std::string directory, uint64_t limit, std::unique_ptr<BlobStore> blobs)
      : clock_(clock), directory_(std::move(directory)), limit_(limit), blobs_(std::move(blobs)) {}

  absl::StatusOr<std::unique_ptr<Writer>> NewWriter(const std::string& sha256) override {
    SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<Writer> writer, blobs_->NewWriter(sha256));
    return std::make_unique<CountingWriter>(*this, std::move(writer));
  }
  absl::StatusOr<uint64_t> Size(const std::string& sha256) override { return blobs_->Size(sha256); }
  absl::StatusOr<std::string> Get(const std::string& sha256) override {
    Touch(sha256);
    return blobs_->Get(sha256);
  }
  absl::Status ReadRange(const std::string& sha256, uint64_t offset, void* buffer, size_t size) override {
    Touch(sha256);
    return blobs_->ReadRange(sha256, offset, buffer, size);
  }
  std::string LocalPath(const std::string& sha256) override {
    Touch(sha256);
    return blobs_->LocalPath(sha256);
  }
  absl::Status Delete(const std::string& sha256) override { return blobs_->Delete(sha256); }

  // Counts what is there and makes it fit.
  void Trim() {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<CachedBlob> blobs = List();
    used_ = 0;
    for (const CachedBlob& blob : blobs) used_ += blob.size;
    if (used_ <= limit_) return;
    std::sort(blobs.begin(), blobs.end(), UsedBefore);
    const auto kept = static_cast<uint64_t>(static_cast<double>(limit_) * kKept);
    uint64_t gone = 0;
    for (const CachedBlob& blob : blobs) {
      if (used_ - gone <= kept) break;
      // Another process may have been faster.
      const absl::Status status = blobs_->Delete(blob.sha256);
      if (status.ok() || absl::IsNotFound(status)) gone += blob.size;
    }
    used_ -= gone;
    spdlog::debug("cache {}: {} bytes removed, {} left", directory_, gone, used_);
  }

 private:
  class CountingWriter final : public Writer {
   public:
    CountingWriter(BoundedCache& cache, std::unique_ptr<Writer> writer) : cache_(cache), writer_(std::move(writer)) {}
    absl::Status Append(const void* data, size_t size) override { return writer_->Append(data, size); }
    absl::StatusOr<Blob> Commit() override {
      SUB1QUANT_ASSIGN_OR_RETURN(const Blob blob, writer_->Commit());
      writer_.reset();  // network file systems date a file when it is closed
      cache_.Touch(blob.sha256);
      if (cache_.Add(blob.size)) cache_.Trim();
      return blob;
    }

   private:
    BoundedCache& cache_;
    std::unique_ptr<Writer> writer_;
  };

  // True: above the limit, as far as this process knows.
  bool Add(uint64_t size) {
    const std::lock_guard<std::mutex> lock(mutex_);
    used_ += size;
    return used_ > limit_;
  }

  void Touch(const std::string& sha256) {
    const std::string path = blobs_->LocalPath(sha256);
    if (path.empty()) return;
    const auto now = clock_.WallNow().time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
    const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(now - seconds);
    const timespec used{static_cast<time_t>(seconds.count()), static_cast<long>(rest.count())};
    const timespec times[2] = {used, used};
    utimensat(AT_FDCWD, path.c_str(), times, 0);  // where it fails, the order is worse and nothing else
  }

  std::vector<CachedBlob> List() const {
    std::vector<CachedBlob> blobs;
    const absl::StatusOr<std::vector<std::string>> folders = ListDirectory(directory_);
    if (!folders.ok()) return blobs;
    for (const std::string& folder : *folders) {
      if (folder.size() != 2) continue;
      const absl::StatusOr<std::vector<std::string>> names = ListDirectory(directory_ + "/" + folder);
      if (!names.ok()) continue;
      for (const std::string& name : *names) {
        struct stat info {};
        if (!IsSha256Hex(name) || stat((directory_ + "/" + folder + "/" + name).c_str(), &info) != 0) continue;
        blobs.push_back({info.st_mtim.tv_sec, info.st_mtim.tv_nsec, name, static_cast<uint64_t>(info.st_size)});
      }
    }
    return blobs;
  }

  const Clock& clock_;
  const std::string directory_;
  const uint64_t limit_;
  const std::unique_ptr<BlobStore> blobs_;
  std::mutex mutex_;
  uint64_t used_ = 0;  // guarded by mutex_
};

}  // namespace

absl::StatusOr<std::unique_ptr<BlobStore>> OpenBoundedCache(const Clock& clock, const std::string& directory,
                                                            uint64_t limit) {
  SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<BlobStore> blobs, OpenBlobDirectory(directory));
  auto cache = std::make_unique<BoundedCache>(clock, directory, limit, std::move(blobs));
  cache->Trim();
  return cache;
}

}  // namespace sub1quant
