// .pt → native artifact.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/file.h"
#include "core/status.h"
#include "quant/artifact/new_directory.h"
#include "quant/artifact/pt.h"
#include "quant/artifact/pt_layout.h"
#include "quant/model/quantizable.h"
#include "quant/model/safetensors.h"
#include "quant/model/tensor_digest.h"

namespace sub1quant {
namespace {

// Checks the manifest against the model and fills in what only the model knows.
absl::Status TakeFromModel(ModelSource& model, Manifest* manifest) {
  SUB1QUANT_ASSIGN_OR_RETURN(const TensorInventory inventory, ReadInventory(model));
  std::map<std::string, const TensorRecord*> records;
  for (const TensorRecord& record : inventory.tensors) records[record.key] = &record;
  std::set<std::string> packed;
  for (ManifestTensor& tensor : manifest->tensors) {
    const auto found = records.find(tensor.key);
    if (found == records.end())
      return absl::FailedPreconditionError("tensor '" + tensor.key + "' of the checkpoint is not in the model");
    const TensorRecord& record = *found->second;
    if (record.shape != std::vector<int64_t>{tensor.rows, tensor.cols})
      return absl::FailedPreconditionError(absl::StrCat("tensor '", tensor.key, "': the checkpoint has shape [",
                                                        tensor.rows, ", ", tensor.cols, "], the model another"));
    if (record.dtype != DType::kBF16 && record.dtype != DType::kF16 && record.dtype != DType::kF32)
      return absl::FailedPreconditionError("tensor '" + tensor.key + "' is " + DTypeName(record.dtype) +
                                           " in the model; BF16, F16 or F32 expected");
    tensor.dtype = DTypeName(record.dtype);
    SUB1QUANT_ASSIGN_OR_RETURN(tensor.tensor_sha256, TensorSha256(model, record));
    packed.insert(tensor.key);
  }
  const QuantizableSelection selection = SelectQuantizable(inventory);
  manifest->selection = selection.text_only ? "text-only" : "multimodal";
  for (size_t i = 0; i < selection.indices.size(); ++i) {
    const TensorRecord& record = inventory.tensors[selection.indices[i]];
    if (packed.count(record.key) > 0) continue;
    manifest->kept.push_back({record.key, DTypeName(record.dtype), record.rows(), record.cols(), /*excluded=*/true});
    manifest->kept.back().index = static_cast<int64_t>(i);
    SUB1QUANT_ASSIGN_OR_RETURN(manifest->kept.back().tensor_sha256, TensorSha256(model, record));
  }
  return absl::OkStatus();
}

absl::StatusOr<Manifest> Import(const std::string& pt_path, ModelSource* model, BlobStore& blobs) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<PtFile> file, PtFile::Open(pt_path));
  Manifest manifest = file->manifest();
  if (model != nullptr) SUB1QUANT_RETURN_IF_ERROR(TakeFromModel(*model, &manifest));
  for (size_t i = 0; i < manifest.tensors.size(); ++i) {
    SUB1QUANT_ASSIGN_OR_RETURN(EncodedMatrix encoded, file->Read(i));
    DropIgnoredArrays(&encoded);
    const std::string blob = EncodedToBlob(encoded);
    ManifestTensor& tensor = manifest.tensors[i];
    SUB1QUANT_ASSIGN_OR_RETURN(tensor.blob_sha256, PutBlob(blobs, blob));
    tensor.blob_bytes = blob.size();
    tensor.stored_bytes = encoded.stored_bytes();
  }
  return manifest;
}

}  // namespace

absl::Status ImportPt(const std::string& pt_path, ModelSource* model, const std::string& directory) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<NewDirectory> target, NewDirectory::Create(directory));
  {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<BlobStore> blobs,
                               OpenBlobDirectory(target->temporary() + "/blobs", /*flat=*/true));
    SUB1QUANT_ASSIGN_OR_RETURN(const Manifest manifest, Import(pt_path, model, *blobs));
    SUB1QUANT_RETURN_IF_ERROR(WriteFileAtomically(target->temporary() + "/manifest.json", ManifestToJson(manifest)));
  }
  return target->Commit();
}

absl::StatusOr<std::string> ImportPtToBlobs(const std::string& pt_path, ModelSource* model, BlobStore& blobs) {
  SUB1QUANT_ASSIGN_OR_RETURN(const Manifest manifest, Import(pt_path, model, blobs));
  return PutBlob(blobs, ManifestToJson(manifest));
}

}  // namespace sub1quant
