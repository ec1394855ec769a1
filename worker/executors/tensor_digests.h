// Digests of tensors that were hashed before, by the version of the file they stand in: SHA-256 costs more than most of
// what is done with the bytes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace sub1quant {

// Thread-safe.
class TensorDigests {
 public:
  // Of this process only.
  TensorDigests() = default;
  // Also in `path`, one line a digest, which several processes may append to. Lines that a crash has cut are passed
  // over; a file that has grown beyond what is worth keeping is begun again.
  static absl::StatusOr<std::unique_ptr<TensorDigests>> Open(const std::string& path);
  ~TensorDigests();
  TensorDigests(const TensorDigests&) = delete;
  TensorDigests& operator=(const TensorDigests&) = delete;

  // `identity` is FileIdentity::ToString() of the file, or what a remote source says in its place.
  std::optional<std::string> Find(const std::string& identity, uint64_t offset, uint64_t bytes) const;
  void Remember(const std::string& identity, uint64_t offset, uint64_t bytes, const std::string& sha256);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> digests_;  // "identity offset bytes" → SHA-256; guarded by mutex_
  int descriptor_ = -1;
};

}  // namespace sub1quant
