#include <map>

#include "absl/strings/str_cat.h"
#include "core/digest.h"
#include "quant/report/report.h"

namespace sub1quant {
namespace {

// One line of the digest; "" if the source bytes are unknown.
template <typename Tensor>
std::string LineOf(const Tensor& tensor) {
  if (tensor.tensor_sha256.empty()) return "";
  return absl::StrCat(tensor.key, " ", tensor.dtype, " [", tensor.rows, ",", tensor.cols, "] ", tensor.tensor_sha256,
                      "\n");
}

}  // namespace

std::string WeightsSha256(const Manifest& manifest) {
  std::map<int64_t, std::string> lines;  // by enumeration order
  for (const ManifestTensor& tensor : manifest.tensors) lines[tensor.index] += LineOf(tensor);
  for (const KeptTensor& tensor : manifest.kept) lines[tensor.index] += LineOf(tensor);
  if (lines.size() != manifest.tensors.size() + manifest.kept.size()) return "";  // two claim one place
  Sha256 digest;
  for (const auto& [index, line] : lines) {
    if (line.empty()) return "";
    digest.Update(line);
  }
  return lines.empty() ? "" : digest.HexDigest();
}

}  // namespace sub1quant
