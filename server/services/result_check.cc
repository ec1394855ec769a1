#include "server/services/result_check.h"

#include "absl/strings/str_cat.h"
#include "core/digest.h"
#include "core/status.h"

namespace sub1quant {
namespace {

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("the result does not answer its task: ", what));
}

absl::Status CheckBlob(const std::string& sha256, uint64_t size, BlobStore& blobs) {
  if (!IsSha256Hex(sha256)) return Wrong("blob digest");
  SUB1QUANT_ASSIGN_OR_RETURN(const uint64_t stored, blobs.Size(sha256));
  if (stored != size) return Wrong(absl::StrCat("blob of ", stored, " bytes, ", size, " said"));
  return absl::OkStatus();
}

absl::Status Check(const SearchTask& task, const SearchResult& result, BlobStore&) {
  if (!IsSha256Hex(result.tensor_sha256)) return Wrong("tensor digest");
  if (result.rows.size() != task.methods.size()) return Wrong("number of candidates");
  for (size_t i = 0; i < task.methods.size(); ++i)
    if (result.rows[i].method != task.methods[i]) return Wrong("order of candidates");
  return absl::OkStatus();
}

absl::Status Check(const PackTask& task, const PackResult& result, BlobStore& blobs) {
  if (!IsSha256Hex(result.tensor_sha256)) return Wrong("tensor digest");
  if (result.row.method != task.method) return Wrong("method");
  return CheckBlob(result.blob_sha256, result.blob_bytes, blobs);
}

absl::Status Check(const ScoreTask& task, const ScoreResult& result, BlobStore&) {
  if (static_cast<int64_t>(result.windows.size()) != task.count) return Wrong("number of windows");
  for (size_t i = 0; i < result.windows.size(); ++i)
    if (result.windows[i].index != task.first + static_cast<int64_t>(i)) return Wrong("order of windows");
  return absl::OkStatus();
}

absl::Status Check(const ExportTask&, const ExportResult& result, BlobStore& blobs) {
  return CheckBlob(result.blob_sha256, result.blob_bytes, blobs);
}

template <typename T, typename R>
absl::Status Check(const T&, const R&, BlobStore&) {
  return Wrong("kind");
}

}  // namespace

absl::Status CheckResult(const Task& task, const TaskResult& result, BlobStore& blobs) {
  return std::visit([&](const auto& t, const auto& r) { return Check(t, r, blobs); }, task, result);
}

}  // namespace sub1quant
