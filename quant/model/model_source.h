// Where a model's files come from: a directory here, a server's byte ranges there. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/file.h"

namespace sub1quant {

class ModelSource {
 public:
  struct File {
    std::string name;
    uint64_t size = 0;
    std::string identity;  // changes when the bytes may have changed
  };

  virtual ~ModelSource() = default;
  // Regular files directly inside the model directory (symbolic links to files count), sorted by name.
  virtual absl::StatusOr<std::vector<File>> List() = 0;
  virtual absl::Status Read(const std::string& file, uint64_t offset, void* buffer, size_t size) = 0;
  // A hint: this range will be read soon. Does not wait for the bytes.
  virtual void WillRead(const std::string& /*file*/, uint64_t /*offset*/, uint64_t /*size*/) {}
  // A path under which the operating system can map `file`, or "" if there is none.
  virtual std::string LocalPath(const std::string& file) = 0;
};

// `follow_links`: whether symbolic links may lead out of `root` (the user's own path) or must stay beneath it (a path
// that a job named). `path` is relative to `root`; "" or "." is the root itself. Refuses absolute paths, `..` that
// leaves the root, NUL.
absl::StatusOr<std::unique_ptr<ModelSource>> OpenModelDirectory(const std::string& root, const std::string& path,
                                                                bool follow_links);

// The user's own path, followed as given.
absl::StatusOr<std::unique_ptr<ModelSource>> OpenModelDirectory(const std::string& directory);

// Whole small file (config.json, tokenizer.json); NotFound if absent, ResourceExhausted above `max_bytes`.
absl::StatusOr<std::string> ReadModelFile(ModelSource& source, const std::string& name, uint64_t max_bytes);

}  // namespace sub1quant
