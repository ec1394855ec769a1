// A directory that appears whole or not at all: filled under a temporary name beside its place, then renamed.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace sub1quant {

class NewDirectory {
 public:
  // `path` must be absent or an empty directory (AlreadyExists naming it otherwise); parents are created.
  static absl::StatusOr<std::unique_ptr<NewDirectory>> Create(const std::string& path);
  ~NewDirectory();  // without Commit nothing remains
  NewDirectory(const NewDirectory&) = delete;
  NewDirectory& operator=(const NewDirectory&) = delete;

  const std::string& temporary() const { return temporary_; }
  // Syncs the directory, renames it into place, syncs the parent. Files in it must be synced already.
  absl::Status Commit();

 private:
  NewDirectory(std::string path, std::string temporary) : path_(std::move(path)), temporary_(std::move(temporary)) {}
  const std::string path_;
  std::string temporary_;
};

}  // namespace sub1quant
