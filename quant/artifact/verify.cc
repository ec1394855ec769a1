#include "quant/artifact/verify.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/status.h"
#include "quant/artifact/manifest.h"
#include "quant/artifact/pt.h"
#include "quant/artifact/zip_reader.h"

namespace sub1quant {
namespace {

constexpr int64_t kBlockWeights = int64_t{1} << 20;  // decoded at a time
constexpr uint64_t kMaxBlob = uint64_t{1} << 36;

absl::Status DecodesToFiniteNumbers(const EncodedMatrix& encoded) {
  const Codec* codec = FindCodec(encoded.method);
  if (codec == nullptr) return absl::InvalidArgumentError("method '" + encoded.method + "' is not known here");
  const int64_t block = std::max<int64_t>(1, kBlockWeights / encoded.cols);
  std::vector<float> values(static_cast<size_t>(std::min(block, encoded.rows) * encoded.cols));
  for (int64_t row = 0; row < encoded.rows; row += block) {
    const int64_t rows = std::min(block, encoded.rows - row);
    SUB1QUANT_RETURN_IF_ERROR(codec->Decode(encoded, row, rows, values.data()));
    for (int64_t i = 0; i < rows * encoded.cols; ++i)
      if (!std::isfinite(values[static_cast<size_t>(i)]))
        return absl::DataLossError(
            absl::StrCat("row ", row + i / encoded.cols, " decodes to a number that is not finite"));
  }
  return absl::OkStatus();
}

// One matrix of an artifact. Files are read here directly: verifying must not move anything.
absl::Status CheckBlob(const std::string& folder, const ManifestTensor& tensor, int group_size) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(folder + "/" + tensor.blob_sha256, kMaxBlob));
  if (bytes.size() != tensor.blob_bytes)
    return absl::DataLossError(
        absl::StrCat("blob ", tensor.blob_sha256, ": ", bytes.size(), " bytes, the manifest says ", tensor.blob_bytes));
  if (const std::string digest = Sha256Hex(bytes); digest != tensor.blob_sha256)
    return absl::DataLossError(absl::StrCat("blob ", tensor.blob_sha256, ": the bytes have digest ", digest));
  SUB1QUANT_ASSIGN_OR_RETURN(const EncodedMatrix encoded, EncodedFromBlob(bytes, tensor, group_size));
  if (encoded.stored_bytes() != tensor.stored_bytes)
    return absl::DataLossError(
        absl::StrCat("arrays of ", encoded.stored_bytes(), " bytes, the manifest says ", tensor.stored_bytes));
  const Codec* codec = FindCodec(tensor.method);
  if (codec != nullptr && codec->NominalBits(tensor.rows, tensor.cols, group_size) != tensor.bits)
    return absl::DataLossError(absl::StrCat("the manifest says ", tensor.bits, " bits, the method needs ",
                                            codec->NominalBits(tensor.rows, tensor.cols, group_size)));
  return DecodesToFiniteNumbers(encoded);
}

// Runs `check` on every tensor and adds what it finds to the report, in order.
void CheckTensors(const std::vector<ManifestTensor>& tensors, const std::string& where, int threads,
                  const std::function<absl::Status(size_t)>& check, VerifyReport* report) {
  std::vector<absl::Status> results(tensors.size());
  const absl::Status done = ParallelFor(threads, static_cast<int64_t>(tensors.size()), [&](int64_t i) {
    results[static_cast<size_t>(i)] = check(static_cast<size_t>(i));
    return absl::OkStatus();
  });
  if (!done.ok()) report->problems.push_back(std::string(done.message()));
  for (size_t i = 0; i < tensors.size(); ++i)
    if (!results[i].ok())
      report->problems.push_back(
          absl::StrCat(where, ": tensor '", tensors[i].key, "': ", std::string(results[i].message())));
}

void CheckTotals(const Manifest& manifest, const std::string& where, VerifyReport* report) {
  const AllocationTotals totals = TotalsOf(manifest.tensors, manifest.kept);
  if (totals.total_params != manifest.totals.total_params ||
      std::abs(totals.average_bpw - manifest.totals.average_bpw) > 1e-9)
    report->problems.push_back(absl::StrCat(where, ": totals of ", manifest.totals.total_params, " weights at ",
                                            manifest.totals.average_bpw, " bits, the tensors add up to ",
                                            totals.total_params, " at ", totals.average_bpw));
}

absl::Status VerifyArtifact(const std::string& directory, int threads, VerifyReport* report) {
  const std::string path = directory + "/manifest.json";
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, uint64_t{256} << 20));
  const absl::StatusOr<Manifest> manifest = ManifestFromJson(text);
  if (!manifest.ok()) {
    report->problems.push_back(absl::StrCat(path, ": ", std::string(manifest.status().message())));
    return absl::OkStatus();
  }
  CheckTotals(*manifest, path, report);
  CheckTensors(
      manifest->tensors, directory, threads,
      [&](size_t i) { return CheckBlob(directory + "/blobs", manifest->tensors[i], manifest->group_size); }, report);
  report->tensors += static_cast<int64_t>(manifest->tensors.size());
  report->bytes += text.size();
  for (const ManifestTensor& tensor : manifest->tensors) report->bytes += tensor.blob_bytes;
  return absl::OkStatus();
}

// Checksums of all entries, of those too that no tensor reads whole.
absl::Status CheckEntries(const std::string& path, VerifyReport* report) {
  SUB1QUANT_ASSIGN_OR_RETURN(const ZipReader zip, ZipReader::Open(path));
  for (const auto& [name, entry] : zip.entries()) {
    const absl::Status status = zip.Verify(name, entry);
    if (!status.ok()) report->problems.push_back(std::string(status.message()));
  }
  report->bytes += zip.file_size();
  return absl::OkStatus();
}

absl::Status VerifyPt(const std::string& path, int threads, VerifyReport* report) {
  const size_t problems_before = report->problems.size();
  absl::Status status = CheckEntries(path, report);
  if (status.code() == absl::StatusCode::kNotFound || status.code() == absl::StatusCode::kPermissionDenied)
    return status;
  if (status.ok() && report->problems.size() > problems_before) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<PtFile>> file = PtFile::Open(path);
  if (!file.ok()) {
    report->problems.push_back(std::string(file.status().message()));
    return absl::OkStatus();
  }
  const std::vector<ManifestTensor>& tensors = (*file)->manifest().tensors;
  CheckTensors(
      tensors, path, threads,
      [&](size_t i) -> absl::Status {
        SUB1QUANT_ASSIGN_OR_RETURN(const EncodedMatrix encoded, (*file)->Read(i));
        return DecodesToFiniteNumbers(encoded);
      },
      report);
  report->tensors += static_cast<int64_t>(tensors.size());
  return absl::OkStatus();
}

// What `run` writes for one target.
absl::Status VerifyTarget(const std::string& directory, int threads, VerifyReport* report) {
  if (PathExists(directory + "/artifact/manifest.json"))
    SUB1QUANT_RETURN_IF_ERROR(VerifyArtifact(directory + "/artifact", threads, report));
  if (PathExists(directory + "/checkpoint.pt"))
    SUB1QUANT_RETURN_IF_ERROR(VerifyPt(directory + "/checkpoint.pt", threads, report));
  return absl::OkStatus();
}

// An output directory of `run`: of one target, or with a folder for each of several.
absl::Status VerifyOutput(const std::string& directory, int threads, VerifyReport* report) {
  SUB1QUANT_RETURN_IF_ERROR(VerifyTarget(directory, threads, report));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory));
  for (const std::string& name : names)
    if (absl::StartsWith(name, "target-"))
      SUB1QUANT_RETURN_IF_ERROR(VerifyTarget(directory + "/" + name, threads, report));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VerifyReport> VerifyPath(const std::string& path, int threads) {
  VerifyReport report;
  if (!PathExists(path)) return absl::NotFoundError(path + ": no such file or directory");
  if (!IsDirectory(path)) {
    report.kind = "pt";
    SUB1QUANT_RETURN_IF_ERROR(VerifyPt(path, threads, &report));
    return report;
  }
  report.kind = "artifact";
  if (PathExists(path + "/manifest.json")) {
    SUB1QUANT_RETURN_IF_ERROR(VerifyArtifact(path, threads, &report));
    return report;
  }
  SUB1QUANT_RETURN_IF_ERROR(VerifyOutput(path, threads, &report));
  if (report.bytes == 0 && report.problems.empty())
    return absl::InvalidArgumentError(path + ": neither manifest.json nor artifact/ nor checkpoint.pt is in it");
  return report;
}

}  // namespace sub1quant
