#include "worker/full_store.h"

#include <atomic>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace sub1quant {
namespace {

absl::Status Passing(const absl::Status& status) {
  if (!absl::IsResourceExhausted(status)) return status;
  return absl::UnavailableError(absl::StrCat("no room: ", std::string(status.message())));
}

template <typename Value>
absl::StatusOr<Value> Passing(absl::StatusOr<Value> answer) {
  if (answer.ok()) return answer;
  return Passing(answer.status());
}

// Of one store, in whatever thread it is written.
class Room {
 public:
  explicit Room(WorkerMetrics& metrics) : metrics_(metrics) {}

  // After a write. Other errors say nothing about room.
  void Note(const absl::Status& status) {
    const bool full = absl::IsResourceExhausted(status);
    if (!status.ok() && !full) return;
    metrics_.StoreFull(full);
    if (full_.exchange(full) == full) return;
    if (full) {
      spdlog::warn("no room for blobs: {}; tasks go back and are tried again", std::string(status.message()));
    } else {
      spdlog::info("there is room for blobs again");
    }
  }

 private:
  WorkerMetrics& metrics_;
  std::atomic<bool> full_{false};
};

class GuardedWriter final : public BlobStore::Writer {
 public:
  GuardedWriter(std::unique_ptr<Writer> writer, Room& room) : writer_(std::move(writer)), room_(room) {}

  absl::Status Append(const void* data, size_t size) override {
    const absl::Status status = writer_->Append(data, size);
    if (!status.ok()) room_.Note(status);  // what was appended is not stored yet
    return Passing(status);
  }
  absl::StatusOr<Blob> Commit() override {
    absl::StatusOr<Blob> blob = writer_->Commit();
    room_.Note(blob.status());
    return Passing(std::move(blob));
  }

 private:
  std::unique_ptr<Writer> writer_;
  Room& room_;
};

class FullStoreGuard final : public BlobStore {
 public:
  FullStoreGuard(std::unique_ptr<BlobStore> blobs, WorkerMetrics& metrics) : blobs_(std::move(blobs)), room_(metrics) {}

  absl::StatusOr<std::unique_ptr<Writer>> NewWriter(const std::string& sha256) override {
    absl::StatusOr<std::unique_ptr<Writer>> writer = blobs_->NewWriter(sha256);
    if (writer.ok()) return std::make_unique<GuardedWriter>(*std::move(writer), room_);
    room_.Note(writer.status());
    return Passing(writer.status());
  }
  absl::StatusOr<uint64_t> Size(const std::string& sha256) override { return Passing(blobs_->Size(sha256)); }
  absl::StatusOr<std::string> Get(const std::string& sha256) override { return Passing(blobs_->Get(sha256)); }
  absl::Status ReadRange(const std::string& sha256, uint64_t offset, void* buffer, size_t size) override {
    return Passing(blobs_->ReadRange(sha256, offset, buffer, size));
  }
  std::string LocalPath(const std::string& sha256) override { return blobs_->LocalPath(sha256); }
  absl::Status Delete(const std::string& sha256) override { return Passing(blobs_->Delete(sha256)); }

 private:
  std::unique_ptr<BlobStore> blobs_;
  Room room_;
};

}  // namespace

std::unique_ptr<BlobStore> NewFullStoreGuard(std::unique_ptr<BlobStore> blobs, WorkerMetrics& metrics) {
  return std::make_unique<FullStoreGuard>(std::move(blobs), metrics);
}

}  // namespace sub1quant
