#include "worker/executors/export.h"

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/artifact/pt.h"
#include "quant/model/safetensors.h"

namespace sub1quant {
namespace {

// The one format whose published entry has arrays that decoding ignores, so that the artifact's blob lacks them.
bool HasIgnoredArrays(const ManifestTensor& tensor) { return tensor.method == "int2_base"; }

}  // namespace

absl::StatusOr<ExportResult> ExportExecutor::Execute(const ExportTask& task, TaskContext& context) {
  if (task.target != "pt") {
    return absl::InvalidArgumentError(absl::StrCat("export target '", task.target, "': workers write 'pt'"));
  }
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string json, resources_.blobs.Get(task.manifest_sha256));
  SUB1QUANT_ASSIGN_OR_RETURN(const Manifest manifest, ManifestFromJson(json));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<BlobStore::Writer> writer, resources_.blobs.NewWriter(""));

  Run run{task, manifest, context, std::nullopt};
  SUB1QUANT_RETURN_IF_ERROR(WritePt(
      manifest, [&](size_t i) { return Matrix(run, i); },
      [&](const void* data, size_t size) { return writer->Append(data, size); }));
  SUB1QUANT_RETURN_IF_ERROR(context.Check());
  SUB1QUANT_ASSIGN_OR_RETURN(const BlobStore::Writer::Blob blob, writer->Commit());
  return ExportResult{blob.sha256, blob.size};
}

absl::StatusOr<EncodedMatrix> ExportExecutor::Matrix(Run& run, size_t i) {
  SUB1QUANT_RETURN_IF_ERROR(run.context.Check());
  run.context.SetProgress(static_cast<double>(i) / static_cast<double>(run.manifest.tensors.size()));
  const ManifestTensor& tensor = run.manifest.tensors.at(i);
  // A matrix imported without its model has no source to encode again.
  if (HasIgnoredArrays(tensor) && !tensor.tensor_sha256.empty()) return EncodeAgain(run, tensor);
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string bytes, resources_.blobs.Get(tensor.blob_sha256));
  return EncodedFromBlob(bytes, tensor, run.manifest.group_size);
}

absl::StatusOr<EncodedMatrix> ExportExecutor::EncodeAgain(Run& run, const ManifestTensor& tensor) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::shared_ptr<ModelSource> source, resources_.models.Open(run.task.model));
  if (!run.inventory) {
    SUB1QUANT_ASSIGN_OR_RETURN(run.inventory, ReadInventory(*source));
  }
  const TensorRecord* record = run.inventory->Find(tensor.key);
  if (record == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("model changed: tensor '", tensor.key, "' is gone"));
  }
  SUB1QUANT_ASSIGN_OR_RETURN(const OpenTensor tensor_now, resources_.tensors.Open(source, *record, "", run.context));
  if (tensor_now.sha256() != tensor.tensor_sha256) {
    return absl::FailedPreconditionError(absl::StrCat("model changed: tensor '", tensor.key, "' has digest ",
                                                      tensor_now.sha256(), ", the artifact was made from ",
                                                      tensor.tensor_sha256));
  }
  const Codec* codec = FindCodec(tensor.method);
  if (codec == nullptr) return absl::InvalidArgumentError(absl::StrCat("unknown format '", tensor.method, "'"));
  EncodeOptions options;
  options.group_size = run.manifest.group_size;
  options.threads = resources_.cpu.threads();
  options.keep_ignored_arrays = true;
  absl::StatusOr<EncodedMatrix> encoded = codec->Encode(tensor_now.view(), options);
  if (encoded.ok()) SUB1QUANT_RETURN_IF_ERROR(tensor_now.CheckUnchanged());
  return encoded;
}

}  // namespace sub1quant
