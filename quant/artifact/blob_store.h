// Blobs by digest. A blob that can be read is whole; the same bytes written twice are one blob. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace sub1quant {

class BlobStore {
 public:
  // Streams one blob in. Without Commit nothing remains.
  class Writer {
   public:
    virtual ~Writer() = default;
    virtual absl::Status Append(const void* data, size_t size) = 0;
    struct Blob {
      std::string sha256;
      uint64_t size = 0;
    };
    // fsync, rename to the digest, fsync of the directory.
    virtual absl::StatusOr<Blob> Commit() = 0;
  };

  virtual ~BlobStore() = default;
  // `sha256`: the digest of what will be appended, if the caller has computed it; empty: the writer does.
  virtual absl::StatusOr<std::unique_ptr<Writer>> NewWriter(const std::string& sha256) = 0;
  // Size, or NotFound.
  virtual absl::StatusOr<uint64_t> Size(const std::string& sha256) = 0;
  // Whole blob, verified against its digest on every read (DataLoss if it does not match, and the damaged file is moved
  // aside).
  virtual absl::StatusOr<std::string> Get(const std::string& sha256) = 0;
  // A range, not verified.
  virtual absl::Status ReadRange(const std::string& sha256, uint64_t offset, void* buffer, size_t size) = 0;
  // A local file with the blob's bytes, or "" where there is none.
  virtual std::string LocalPath(const std::string& sha256) = 0;
  virtual absl::Status Delete(const std::string& sha256) = 0;
};

absl::StatusOr<std::string> PutBlob(BlobStore& store, const std::string& bytes);

// DIR/<first two digits>/<digest>; temporary names in DIR/tmp, swept on opening. `flat`: DIR/<digest> instead, as an
// artifact's blobs/ folder has it.
absl::StatusOr<std::unique_ptr<BlobStore>> OpenBlobDirectory(const std::string& directory, bool flat = false);

}  // namespace sub1quant
