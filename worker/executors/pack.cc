#include "worker/executors/pack.h"

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/artifact/manifest.h"

namespace sub1quant {

absl::StatusOr<PackResult> PackExecutor::Execute(const PackTask& task, TaskContext& context) {
  SUB1QUANT_RETURN_IF_ERROR(CheckGroupSize(task.group_size));
  const Codec* codec = FindCodec(task.method);
  if (codec == nullptr) return absl::InvalidArgumentError(absl::StrCat("unknown format '", task.method, "'"));
  PackResult result;
  SUB1QUANT_ASSIGN_OR_RETURN(const EncodedMatrix encoded, Encode(task, *codec, context, &result.tensor_sha256));
  SUB1QUANT_RETURN_IF_ERROR(context.Check());
  SUB1QUANT_ASSIGN_OR_RETURN(const BlobStore::Writer::Blob blob, Store(encoded));
  resources_.metrics.TensorDone("pack", static_cast<uint64_t>(task.tensor.elements()), task.tensor.bytes, blob.size);

  result.blob_sha256 = blob.sha256;
  result.blob_bytes = blob.size;
  result.stored_bytes = encoded.stored_bytes();
  result.row = {task.method, codec->NominalBits(encoded.rows, encoded.cols, task.group_size), encoded.error};
  return result;
}

absl::StatusOr<EncodedMatrix> PackExecutor::Encode(const PackTask& task, const Codec& codec, TaskContext& context,
                                                   std::string* tensor_sha256) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::shared_ptr<ModelSource> source, resources_.models.Open(task.model));
  SUB1QUANT_ASSIGN_OR_RETURN(const OpenTensor tensor,
                             resources_.tensors.Open(source, task.tensor, task.file_identity, context));
  *tensor_sha256 = tensor.sha256();
  const std::shared_ptr<const KeptChoices> kept =
      resources_.choices.Find(tensor.sha256(), tensor.view(), task.group_size, codec);
  EncodeOptions options;
  options.kept = kept.get();
  options.group_size = task.group_size;
  absl::StatusOr<EncodedMatrix> encoded = resources_.cpu.Run([&](int threads) {
    options.threads = threads;
    return resources_.coder.Encode(tensor.view(), task.method, options);
  });
  if (!encoded.ok()) return encoded;
  SUB1QUANT_RETURN_IF_ERROR(tensor.CheckUnchanged());
  return encoded;
}

absl::StatusOr<BlobStore::Writer::Blob> PackExecutor::Store(const EncodedMatrix& encoded) {
  const BlobParts blob = EncodedToBlobParts(encoded);
  std::vector<ByteSpan> parts = {{blob.header.data(), blob.header.size()}};
  parts.insert(parts.end(), blob.arrays.begin(), blob.arrays.end());
  // Beside the blobs of other tasks: faster than the writer, which has only this one.
  const std::string sha256 = resources_.hashes.Sha256(parts);
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<BlobStore::Writer> writer, resources_.blobs.NewWriter(sha256));
  for (const ByteSpan& part : parts) SUB1QUANT_RETURN_IF_ERROR(writer->Append(part.data, part.size));
  return writer->Commit();
}

}  // namespace sub1quant
