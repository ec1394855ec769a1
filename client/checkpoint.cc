#include "client/checkpoint.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "core/file.h"
#include "core/status.h"
#include "quant/artifact/manifest.h"
#include "quant/artifact/pt.h"

namespace sub1quant {

absl::StatusOr<std::string> FindArtifact(const std::string& path) {
  if (!PathExists(path)) return absl::NotFoundError(absl::StrCat(path, ": no such file or directory"));
  for (const std::string& directory : {path, path + "/artifact"})
    if (PathExists(directory + "/manifest.json")) return directory;
  return absl::NotFoundError(absl::StrCat(path, ": no artifact (manifest.json beside blobs/) here or in artifact/"));
}

absl::StatusOr<std::string> PutCheckpoint(const std::string& path, ModelSource* model, BlobStore& blobs) {
  if (PathExists(path) && !IsDirectory(path)) return ImportPtToBlobs(path, model, blobs);
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string directory, FindArtifact(path));
  SUB1QUANT_ASSIGN_OR_RETURN(const Artifact artifact, OpenArtifact(directory));
  std::set<std::string> sent;
  for (const ManifestTensor& tensor : artifact.manifest.tensors) {
    if (!sent.insert(tensor.blob_sha256).second) continue;
    // Read, and so verified, also where the server has the blob: what is scored is what lies in `path`.
    SUB1QUANT_ASSIGN_OR_RETURN(const std::string bytes, artifact.blobs->Get(tensor.blob_sha256));
    if (!blobs.Size(tensor.blob_sha256).ok()) SUB1QUANT_RETURN_IF_ERROR(PutBlob(blobs, bytes).status());
  }
  return PutBlob(blobs, ManifestToJson(artifact.manifest));
}

}  // namespace sub1quant
