#include "worker/executors/tensor_loader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/status.h"

namespace sub1quant {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{4} << 20;

absl::Status CheckMatrix(const TensorRecord& tensor, uint64_t file_size) {
  const auto refuse = [&](const std::string& why) {
    return absl::InvalidArgumentError(absl::StrCat("tensor '", tensor.key, "': ", why));
  };
  if (tensor.dtype != DType::kBF16 && tensor.dtype != DType::kF16 && tensor.dtype != DType::kF32) {
    return refuse(absl::StrCat("type ", DTypeName(tensor.dtype), " cannot be quantized; BF16, F16 and F32 can"));
  }
  if (tensor.shape.size() != 2 || tensor.shape[0] < 1 || tensor.shape[1] < 1) return refuse("not a matrix");
  if (tensor.offset > file_size || tensor.bytes > file_size - tensor.offset) {
    return refuse(absl::StrCat("bytes [", tensor.offset, ", +", tensor.bytes, ") lie outside the file's ", file_size));
  }
  const auto rows = static_cast<uint64_t>(tensor.shape[0]), cols = static_cast<uint64_t>(tensor.shape[1]);
  const auto size = static_cast<uint64_t>(DTypeSize(tensor.dtype));
  // By division: no product that could overflow.
  if (tensor.bytes % size != 0 || (tensor.bytes / size) % cols != 0 || tensor.bytes / size / cols != rows) {
    return refuse(absl::StrCat(tensor.bytes, " bytes do not hold [", rows, ", ", cols, "]"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelSource::File> CheckFileIdentity(ModelSource& source, const std::string& file,
                                                    const std::string& identity) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<ModelSource::File> files, source.List());
  for (const ModelSource::File& present : files) {
    if (present.name != file) continue;
    if (identity.empty() || present.identity == identity) return present;
    return absl::FailedPreconditionError(
        absl::StrCat("model changed: ", file, " is now ", present.identity, ", the job was planned with ", identity));
  }
  return absl::FailedPreconditionError(absl::StrCat("model changed: ", file, " is gone"));
}

absl::StatusOr<TensorLoader::Loaded> TensorLoader::Load(ModelSource& source, const TensorRecord& tensor,
                                                        const std::string& identity, const TaskContext& context) {
  SUB1QUANT_ASSIGN_OR_RETURN(const ModelSource::File file, CheckFileIdentity(source, tensor.file, identity));
  SUB1QUANT_RETURN_IF_ERROR(CheckMatrix(tensor, file.size));
  source.WillRead(tensor.file, tensor.offset, tensor.bytes);
  Loaded loaded;
  loaded.bytes = buffers_.Borrow(tensor.bytes);
  for (uint64_t done = 0; done < tensor.bytes;) {
    SUB1QUANT_RETURN_IF_ERROR(context.Check());
    const uint64_t piece = std::min(kPieceBytes, tensor.bytes - done);
    SUB1QUANT_RETURN_IF_ERROR(
        Annotate(source.Read(tensor.file, tensor.offset + done, loaded.bytes.data() + done, piece), tensor.key));
    done += piece;
  }
  SUB1QUANT_RETURN_IF_ERROR(CheckFileIdentity(source, tensor.file, file.identity).status());
  const std::optional<std::string> known = digests_.Find(file.identity, tensor.offset, tensor.bytes);
  loaded.sha256 = known ? *known : hashes_.Sha256(loaded.bytes.data(), tensor.bytes);
  if (!known) digests_.Remember(file.identity, tensor.offset, tensor.bytes, loaded.sha256);
  loaded.view = {loaded.bytes.data(), tensor.dtype, tensor.rows(), tensor.cols()};
  return loaded;
}

}  // namespace sub1quant
