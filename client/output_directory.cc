#include "client/output_directory.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/outcome.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/status.h"

namespace sub1quant {
namespace {

namespace fs = std::filesystem;

// Stands in a directory while it holds partial results; says whose.
constexpr char kMarker[] = ".sub1quant-partial";

bool IsManifest(const v1::Output& output) { return absl::EndsWith(output.path(), "artifact/manifest.json"); }

bool IsResultName(const std::string& name) {
  static const char* const kNames[] = {"checkpoint.pt", "scan.json",   "eval_base.json", "eval_quantized.json",
                                       "report.json",   "report.html", "artifact"};
  return absl::StartsWith(name, "target-") || std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

absl::Status FromError(const std::error_code& error, const std::string& action) {
  return error ? ErrnoStatus(error.value(), action) : absl::OkStatus();
}

absl::Status ProveWritable(const std::string& path) {
  absl::StatusOr<std::unique_ptr<AtomicFile>> probe = AtomicFile::Create(path + "/.sub1quant-probe");
  if (!probe.ok()) return probe.status();
  return (*probe)->Append("probe");
}

// Temporary files of a run that was killed.
void RemoveTemporaries(const std::string& path) {
  std::error_code ignored;
  std::vector<fs::path> found;
  for (fs::recursive_directory_iterator it(path, ignored), end; !ignored && it != end; it.increment(ignored))
    if (absl::StrContains(it->path().filename().string(), ".tmp-") && it->is_regular_file(ignored))
      found.push_back(it->path());
  for (const fs::path& file : found) fs::remove(file, ignored);
}

}  // namespace

bool IsSafeOutputPath(const std::string& path) {
  if (path.empty() || path.size() > 1024 || path.front() == '/' || path.back() == '/') return false;
  for (unsigned char c : path)
    if (c < 0x20 || c == 0x7f || c == '\\') return false;
  for (const fs::path& part : fs::path(path))
    if (part.empty() || part == "." || part == "..") return false;
  return path.find("//") == std::string::npos;
}

std::string DefaultOutputPath(const std::string& label) {
  std::string name = label;
  for (char& c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == '/' || c == 0x7f) c = '_';
  if (name.empty() || name.front() == '.') name = "_" + name;
  return "sub1quant-out/" + name;
}

absl::StatusOr<OutputDirectory> OutputDirectory::Prepare(const std::string& path, const std::string& owner,
                                                         bool force) {
  OutputDirectory directory(fs::absolute(path).lexically_normal().string(), owner);
  if (PathExists(path) && !IsDirectory(path))
    return absl::InvalidArgumentError(absl::StrCat("--out ", path, ": is a file; a directory is expected"));
  directory.created_ = !PathExists(path);
  if (absl::Status made = MakeDirectories(path); !made.ok())
    return WithExit(Annotate(made, absl::StrCat("--out ", path)), ExitCode::kUsage);
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<std::string> entries, ListDirectory(path));
  if (!entries.empty() && !force) {
    const absl::StatusOr<std::string> marker = ReadFile(absl::StrCat(path, "/", kMarker), 4096);
    if (!marker.ok() || *marker != owner)
      return WithHint(absl::InvalidArgumentError(absl::StrCat(
                          "--out ", path, ": the directory is not empty (it holds '", entries.front(), "')")),
                      "name another directory, or --force to overwrite results in it");
  }
  if (absl::Status writable = ProveWritable(path); !writable.ok()) {
    directory.Abandon();
    return WithExit(Annotate(writable, absl::StrCat("--out ", path, ": cannot be written")), ExitCode::kUsage);
  }
  return directory;
}

absl::Status OutputDirectory::RemoveOldResults() const {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<std::string> entries, ListDirectory(path_));
  std::error_code error;
  for (const std::string& name : entries) {
    if (!IsResultName(name)) continue;
    // The manifest says that an artifact is whole, so it goes first.
    fs::remove(path_ + "/" + name + "/manifest.json", error);
    fs::remove(path_ + "/" + name + "/artifact/manifest.json", error);
    error.clear();
    fs::remove_all(path_ + "/" + name, error);
    SUB1QUANT_RETURN_IF_ERROR(FromError(error, absl::StrCat("remove ", path_, "/", name)));
  }
  return absl::OkStatus();
}

absl::Status OutputDirectory::Fill(std::vector<v1::Output> outputs, const Fetch& fetch,
                                   const std::function<bool()>& stop) {
  for (const v1::Output& output : outputs)
    if (!IsSafeOutputPath(output.path()) || !IsSha256Hex(output.sha256()))
      return absl::DataLossError("the server names an output that is not a relative path and a digest");
  std::stable_partition(outputs.begin(), outputs.end(), [](const v1::Output& output) { return !IsManifest(output); });

  const std::string marker = absl::StrCat(path_, "/", kMarker);
  const absl::StatusOr<std::string> earlier = ReadFile(marker, 4096);
  RemoveTemporaries(path_);
  if (!earlier.ok() || *earlier != owner_) {
    SUB1QUANT_RETURN_IF_ERROR(RemoveOldResults());
    SUB1QUANT_RETURN_IF_ERROR(WriteFileAtomically(marker, owner_));
  }
  absl::Status status;
  for (const v1::Output& output : outputs) {
    status = stop() ? absl::CancelledError("cancelled") : absl::OkStatus();
    const std::string path = absl::StrCat(path_, "/", output.path());
    if (status.ok()) status = MakeDirectories(fs::path(path).parent_path().string());
    if (status.ok()) status = fetch(output, path);
    if (!status.ok()) break;
  }
  if (!status.ok()) RemoveOldResults().IgnoreError();
  std::error_code ignored;
  fs::remove(marker, ignored);
  return status;
}

void OutputDirectory::Abandon() {
  std::error_code ignored;
  if (created_) fs::remove(path_, ignored);  // fails on a directory that is not empty, as it should
}

}  // namespace sub1quant
