// The published checkpoint layout (docs/formats.md §5): a torch.save zip holding one dict. The writer streams; the
// reader executes nothing: stored zip entries with checked sizes, an allow-list of pickle opcodes and of the globals
// that a dict of tensors needs, everything else refused by name.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/artifact/manifest.h"
#include "quant/model/model_source.h"

namespace sub1quant {

// Gives the encoded matrix of manifest.tensors[i], with ignored arrays if it can (int2_base).
using EncodedSource = std::function<absl::StatusOr<EncodedMatrix>(size_t i)>;

// Writes the checkpoint of `manifest`. Entry indices are ManifestTensor::index. Reads every matrix once, in order; at
// most one in memory. (The first int2_base matrix is read once more, before: whether it has the ignored arrays holds
// for all of them.) The same inputs give the same bytes. InvalidArgument for a method without an entry in that layout.
absl::Status WritePt(const Manifest& manifest, const EncodedSource& source, const ByteSink& sink);

// A .pt file opened for reading: the manifest made of its dict (blob digests empty), and its matrices one at a time.
class PtFile {
 public:
  static absl::StatusOr<std::unique_ptr<PtFile>> Open(const std::string& path);
  virtual ~PtFile() = default;
  virtual const Manifest& manifest() const = 0;
  // The encoded matrix of manifest().tensors[i]; arrays checked by its codec on decoding.
  virtual absl::StatusOr<EncodedMatrix> Read(size_t i) const = 0;
};

// .pt → native artifact in `directory` (created; must be empty or absent). With `model`, keys and shapes are checked
// against it and digests of the source tensors are recorded.
absl::Status ImportPt(const std::string& pt_path, ModelSource* model, const std::string& directory);
// .pt → manifest and blobs in `blobs`; returns the digest of the manifest blob.
absl::StatusOr<std::string> ImportPtToBlobs(const std::string& pt_path, ModelSource* model, BlobStore& blobs);

}  // namespace sub1quant
