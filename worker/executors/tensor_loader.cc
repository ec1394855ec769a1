#include "worker/executors/tensor_loader.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status.h"

namespace sub1quant {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{4} << 20;
constexpr uint64_t kAheadBytes = uint64_t{32} << 20;

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

absl::Status ReadWhole(ModelSource& source, const TensorRecord& tensor, const TaskContext& context, char* out) {
  for (uint64_t done = 0; done < tensor.bytes;) {
    SUB1QUANT_RETURN_IF_ERROR(context.Check());
    const uint64_t piece = std::min(kPieceBytes, tensor.bytes - done);
    SUB1QUANT_RETURN_IF_ERROR(source.Read(tensor.file, tensor.offset + done, out + done, piece));
    done += piece;
  }
  return absl::OkStatus();
}

class FileRows final : public RowReader {
 public:
  FileRows(ModelSource& source, TensorRecord tensor, const TaskContext& context)
      : source_(source), tensor_(std::move(tensor)), row_bytes_(RowBytes(tensor_)), context_(context) {
    StayAhead(0);
  }

  absl::Status Read(int64_t first, int64_t count, void* out) override {
    SUB1QUANT_RETURN_IF_ERROR(context_.Check());
    const uint64_t begin = static_cast<uint64_t>(first) * row_bytes_;
    StayAhead(begin);
    return source_.Read(tensor_.file, tensor_.offset + begin, out, static_cast<uint64_t>(count) * row_bytes_);
  }

 private:
  // Asks the disk for what is read soon, a piece at a time: for a large tensor at once, the call would last about as
  // long as the reading.
  void StayAhead(uint64_t position) {
    const uint64_t end = std::min(tensor_.bytes, position + kAheadBytes);
    for (uint64_t from = asked_; from < end;) {
      if (!asked_.compare_exchange_weak(from, from + kPieceBytes)) continue;
      source_.WillRead(tensor_.file, tensor_.offset + from, std::min(kPieceBytes, tensor_.bytes - from));
      from += kPieceBytes;
    }
  }

  static uint64_t RowBytes(const TensorRecord& tensor) { return tensor.bytes / static_cast<uint64_t>(tensor.rows()); }

  ModelSource& source_;
  const TensorRecord tensor_;
  const uint64_t row_bytes_;
  const TaskContext& context_;
  std::atomic<uint64_t> asked_{0};  // bytes of the tensor, from its start
};

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

absl::StatusOr<OpenTensor> TensorLoader::Open(std::shared_ptr<ModelSource> source, const TensorRecord& tensor,
                                              const std::string& identity, const TaskContext& context) {
  SUB1QUANT_ASSIGN_OR_RETURN(const ModelSource::File file, CheckFileIdentity(*source, tensor.file, identity));
  SUB1QUANT_RETURN_IF_ERROR(CheckMatrix(tensor, file.size));
  OpenTensor open;
  open.file_ = tensor.file;
  open.identity_ = file.identity;
  open.view_ = {nullptr, tensor.dtype, tensor.rows(), tensor.cols()};
  const auto known = digests_.Find(file.identity, tensor.offset, tensor.bytes);
  // Elsewhere every read is a request to a server.
  if (known && !source->LocalPath(tensor.file).empty()) {
    open.sha256_ = *known;
    open.reader_ = std::make_unique<FileRows>(*source, tensor, context);
    open.view_.reader = open.reader_.get();
  } else {
    source->WillRead(tensor.file, tensor.offset, tensor.bytes);
    open.bytes_ = buffers_.Borrow(tensor.bytes);
    SUB1QUANT_RETURN_IF_ERROR(ReadWhole(*source, tensor, context, open.bytes_.data()));
    SUB1QUANT_RETURN_IF_ERROR(CheckFileIdentity(*source, tensor.file, file.identity).status());
    open.sha256_ = known ? *known : hashes_.Sha256(open.bytes_.data(), tensor.bytes);
    if (!known) digests_.Remember(file.identity, tensor.offset, tensor.bytes, open.sha256_);
    open.view_.data = open.bytes_.data();
  }
  open.source_ = std::move(source);
  return open;
}

absl::Status OpenTensor::CheckUnchanged() const { return CheckFileIdentity(*source_, file_, identity_).status(); }

}  // namespace sub1quant
