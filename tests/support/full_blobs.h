// A blob store on a disk that is full when the test says so.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "core/status.h"
#include "quant/artifact/blob_store.h"

namespace sub1quant::testing {

class FullBlobs final : public BlobStore {
 public:
  explicit FullBlobs(BlobStore& blobs) : blobs_(blobs) {}
  std::atomic<bool> full{false};

  absl::StatusOr<std::unique_ptr<Writer>> NewWriter(const std::string& sha256) override {
    SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<Writer> writer, blobs_.NewWriter(sha256));
    return std::make_unique<FullWriter>(full, std::move(writer));
  }
  absl::StatusOr<uint64_t> Size(const std::string& sha256) override { return blobs_.Size(sha256); }
  absl::StatusOr<std::string> Get(const std::string& sha256) override { return blobs_.Get(sha256); }
  absl::Status ReadRange(const std::string& sha256, uint64_t offset, void* buffer, size_t size) override {
    return blobs_.ReadRange(sha256, offset, buffer, size);
  }
  std::string LocalPath(const std::string& sha256) override { return blobs_.LocalPath(sha256); }
  absl::Status Delete(const std::string& sha256) override { return blobs_.Delete(sha256); }

 private:
  class FullWriter final : public Writer {
   public:
    FullWriter(const std::atomic<bool>& full, std::unique_ptr<Writer> writer)
        : full_(full), writer_(std::move(writer)) {}
    absl::Status Append(const void* data, size_t size) override {
      if (full_) return absl::ResourceExhaustedError("write tmp/x: No space left on device");
      return writer_->Append(data, size);
    }
    absl::StatusOr<Blob> Commit() override {
      if (full_) return absl::ResourceExhaustedError("fsync tmp/x: No space left on device");
      return writer_->Commit();
    }

   private:
    const std::atomic<bool>& full_;
    std::unique_ptr<Writer> writer_;
  };

  BlobStore& blobs_;
};

}  // namespace sub1quant::testing
