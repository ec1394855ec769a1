#include "worker/executors/tensor_digests.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/status.h"
#include "spdlog/spdlog.h"

namespace sub1quant {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;  // some 300,000 tensors
constexpr size_t kMaxDigests = 1'000'000;

std::string KeyOf(const std::string& identity, uint64_t offset, uint64_t bytes) {
  return absl::StrCat(identity, " ", offset, " ", bytes);
}

}  // namespace

absl::StatusOr<std::unique_ptr<TensorDigests>> TensorDigests::Open(const std::string& path) {
  auto digests = std::make_unique<TensorDigests>();
  absl::StatusOr<std::string> text = ReadFile(path, kMaxFileBytes);
  const bool too_large = absl::IsResourceExhausted(text.status());
  if (!text.ok() && !too_large && !absl::IsNotFound(text.status())) return text.status();
  if (text.ok()) {
    for (const auto& line : absl::StrSplit(*text, '\n')) {
      const std::vector<std::string> fields = absl::StrSplit(line, ' ');
      if (fields.size() != 4 || !IsSha256Hex(fields[3])) continue;
      digests->digests_[absl::StrCat(fields[0], " ", fields[1], " ", fields[2])] = fields[3];
    }
  }
  digests->descriptor_ =
      open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (too_large ? O_TRUNC : 0), 0666);
  if (digests->descriptor_ < 0) return ErrnoStatus(errno, path);
  // A line that was cut must not swallow the next one.
  if (text.ok() && !text->empty() && text->back() != '\n' && write(digests->descriptor_, "\n", 1) != 1)
    return ErrnoStatus(errno, path);
  return digests;
}

TensorDigests::~TensorDigests() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::optional<std::string> TensorDigests::Find(const std::string& identity, uint64_t offset, uint64_t bytes) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = digests_.find(KeyOf(identity, offset, bytes));
  if (found == digests_.end()) return std::nullopt;
  return found->second;
}

void TensorDigests::Remember(const std::string& identity, uint64_t offset, uint64_t bytes, const std::string& sha256) {
  // An identity is an opaque word; one that is none cannot stand in a line.
  if (identity.empty() || identity.find_first_of(" \n") != std::string::npos) return;
  const std::string key = KeyOf(identity, offset, bytes);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (digests_.size() >= kMaxDigests) digests_.clear();
  if (!digests_.emplace(key, sha256).second || descriptor_ < 0) return;
  const std::string line = absl::StrCat(key, " ", sha256, "\n");
  if (write(descriptor_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    spdlog::debug("a tensor's digest was not kept: {}", ErrnoStatus(errno, "write").ToString());
}

}  // namespace sub1quant
