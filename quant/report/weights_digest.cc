#include "absl/strings/str_cat.h"
#include "core/digest.h"
#include "quant/report/report.h"

namespace sub1quant {

std::string WeightsSha256(const Manifest& manifest) {
  Sha256 digest;
  for (const ManifestTensor& tensor : manifest.tensors) {
    if (tensor.tensor_sha256.empty()) return "";
    digest.Update(absl::StrCat(tensor.key, " ", tensor.dtype, " [", tensor.rows, ",", tensor.cols, "] ",
                               tensor.tensor_sha256, "\n"));
  }
  return manifest.tensors.empty() ? "" : digest.HexDigest();
}

}  // namespace sub1quant
