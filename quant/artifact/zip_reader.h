// A zip file read with suspicion: stored entries only, every offset and size checked against the file, no overlaps.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/file.h"

namespace sub1quant {

class ZipReader {
 public:
  struct Entry {
    uint64_t offset = 0;  // of the data
    uint64_t size = 0;
    uint32_t crc = 0;
  };

  static absl::StatusOr<ZipReader> Open(const std::string& path);

  const std::map<std::string, Entry>& entries() const { return entries_; }
  // Name of the entry that comes first in the file.
  const std::string& first_name() const { return first_name_; }
  uint64_t file_size() const { return file_->size(); }

  // A whole entry, its checksum verified (DataLoss). Thread-safe, as all of these.
  absl::Status Read(const std::string& name, const Entry& entry, void* buffer) const;
  // `size` bytes at `offset` of the entry, unverified unless they are all of it.
  absl::Status ReadRange(const std::string& name, const Entry& entry, uint64_t offset, void* buffer,
                         uint64_t size) const;
  // The checksum of an entry of any size.
  absl::Status Verify(const std::string& name, const Entry& entry) const;

 private:
  std::shared_ptr<ReadableFile> file_;
  std::map<std::string, Entry> entries_;
  std::string first_name_;
};

}  // namespace sub1quant
