#include "worker/executors/pack.h"

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/artifact/manifest.h"

namespace sub1quant {

absl::StatusOr<PackResult> PackExecutor::Execute(const PackTask& task, TaskContext& context) {
  SUB1QUANT_RETURN_IF_ERROR(CheckGroupSize(task.group_size));
  const Codec* codec = FindCodec(task.method);
  if (codec == nullptr) return absl::InvalidArgumentError(absl::StrCat("unknown format '", task.method, "'"));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::shared_ptr<ModelSource> source, resources_.models.Open(task.model));
  SUB1QUANT_ASSIGN_OR_RETURN(const TensorLoader::Loaded tensor,
                             loader_.Load(*source, task.tensor, task.file_identity, context));

  EncodeOptions options;
  options.group_size = task.group_size;
  options.threads = resources_.threads;
  const absl::StatusOr<EncodedMatrix> encoded = resources_.coder.Encode(tensor.view, task.method, options);
  if (!encoded.ok()) return Annotate(encoded.status(), task.tensor.key);
  SUB1QUANT_RETURN_IF_ERROR(context.Check());

  const std::string bytes = EncodedToBlob(*encoded);
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string sha256, PutBlob(resources_.blobs, bytes));
  resources_.metrics.TensorDone("pack", static_cast<uint64_t>(task.tensor.elements()), task.tensor.bytes, bytes.size());

  PackResult result;
  result.tensor_sha256 = tensor.sha256;
  result.blob_sha256 = sha256;
  result.blob_bytes = bytes.size();
  result.stored_bytes = encoded->stored_bytes();
  result.row = {task.method, codec->NominalBits(tensor.view.rows, tensor.view.cols, task.group_size), encoded->error};
  return result;
}

}  // namespace sub1quant
