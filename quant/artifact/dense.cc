#include "quant/artifact/dense.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/file.h"
#include "core/status.h"
#include "quant/artifact/new_directory.h"
#include "quant/model/safetensors.h"

namespace sub1quant {
namespace {

constexpr uint64_t kCopyBytes = uint64_t{4} << 20;
constexpr int64_t kBlockWeights = int64_t{1} << 20;  // decoded at a time

// One of the model's files being copied, with the quantized matrices replaced. The header stays: names, types, shapes
// and so all offsets are the model's.
class FileCopy {
 public:
  FileCopy(ModelSource& model, const std::string& name, AtomicFile* out)
      : model_(model), name_(name), out_(out), buffer_(kCopyBytes, '\0') {}

  // The model's bytes from where this copy is up to `end`.
  absl::Status CopyTo(uint64_t end) {
    while (out_->size() < end) {
      const uint64_t part = std::min<uint64_t>(buffer_.size(), end - out_->size());
      SUB1QUANT_RETURN_IF_ERROR(model_.Read(name_, out_->size(), buffer_.data(), part));
      SUB1QUANT_RETURN_IF_ERROR(out_->Append(buffer_.data(), part));
    }
    return absl::OkStatus();
  }

  absl::Status Append(const EncodedMatrix& encoded, DType dtype) {
    const Codec* codec = FindCodec(encoded.method);
    if (codec == nullptr) return absl::InvalidArgumentError("method '" + encoded.method + "' is not known here");
    const int64_t block = std::max<int64_t>(1, kBlockWeights / encoded.cols);
    std::vector<float> values(static_cast<size_t>(std::min(block, encoded.rows) * encoded.cols));
    std::string rounded(values.size() * static_cast<size_t>(DTypeSize(dtype)), '\0');
    for (int64_t row = 0; row < encoded.rows; row += block) {
      const int64_t rows = std::min(block, encoded.rows - row);
      SUB1QUANT_RETURN_IF_ERROR(codec->Decode(encoded, row, rows, values.data()));
      RoundToDType(values.data(), rows * encoded.cols, dtype, rounded.data());
      SUB1QUANT_RETURN_IF_ERROR(
          out_->Append(rounded.data(), static_cast<size_t>(rows * encoded.cols * DTypeSize(dtype))));
    }
    return absl::OkStatus();
  }

 private:
  ModelSource& model_;
  const std::string name_;
  AtomicFile* out_;
  std::string buffer_;
};

class DenseExport {
 public:
  DenseExport(const Manifest& manifest, BlobStore& blobs, ModelSource& model)
      : manifest_(manifest), blobs_(blobs), model_(model) {
    for (const ManifestTensor& tensor : manifest.tensors) tensors_[tensor.key] = &tensor;
  }

  absl::Status Run(const std::string& directory) {
    SUB1QUANT_ASSIGN_OR_RETURN(const TensorInventory inventory, ReadInventory(model_));
    SUB1QUANT_RETURN_IF_ERROR(CheckModel(inventory));
    SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<ModelSource::File> files, model_.List());
    for (const ModelSource::File& file : files)
      SUB1QUANT_RETURN_IF_ERROR(Annotate(WriteFile(file, inventory, directory), file.name));
    return absl::OkStatus();
  }

 private:
  // Every matrix of the manifest is in the model, with its shape and type.
  absl::Status CheckModel(const TensorInventory& inventory) const {
    size_t found = 0;
    for (const TensorRecord& record : inventory.tensors) {
      const auto at = tensors_.find(record.key);
      if (at == tensors_.end()) continue;
      ++found;
      const ManifestTensor& tensor = *at->second;
      const bool float_type =
          record.dtype == DType::kBF16 || record.dtype == DType::kF16 || record.dtype == DType::kF32;
      if (record.shape != std::vector<int64_t>{tensor.rows, tensor.cols} || !float_type ||
          (!tensor.dtype.empty() && tensor.dtype != DTypeName(record.dtype)))
        return absl::FailedPreconditionError(absl::StrCat("tensor '", tensor.key, "': the artifact has ", tensor.dtype,
                                                          " [", tensor.rows, ", ", tensor.cols,
                                                          "], the model another type or shape"));
    }
    if (found == tensors_.size()) return absl::OkStatus();
    for (const ManifestTensor& tensor : manifest_.tensors)
      if (inventory.Find(tensor.key) == nullptr)
        return absl::FailedPreconditionError("tensor '" + tensor.key + "' of the artifact is not in the model");
    return absl::FailedPreconditionError("the manifest names a tensor twice");
  }

  absl::Status WriteFile(const ModelSource::File& file, const TensorInventory& inventory,
                         const std::string& directory) {
    if (file.name.empty() || file.name == "." || file.name == ".." || file.name.find('/') != std::string::npos)
      return absl::InvalidArgumentError("not a file name");
    SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<AtomicFile> out, AtomicFile::Create(directory + "/" + file.name));
    FileCopy copy(model_, file.name, out.get());
    for (const TensorRecord* record : ReplacedIn(file.name, inventory)) {
      SUB1QUANT_RETURN_IF_ERROR(copy.CopyTo(record->offset));
      const absl::Status status = Replace(*record, &copy);
      if (!status.ok()) return Annotate(status, "tensor '" + record->key + "'");
    }
    SUB1QUANT_RETURN_IF_ERROR(copy.CopyTo(file.size));
    return out->Commit();
  }

  // The quantized matrices of a file in the order of their bytes.
  std::vector<const TensorRecord*> ReplacedIn(const std::string& file, const TensorInventory& inventory) const {
    std::vector<const TensorRecord*> records;
    for (const TensorRecord& record : inventory.tensors)
      if (record.file == file && tensors_.count(record.key) != 0) records.push_back(&record);
    std::sort(records.begin(), records.end(),
              [](const TensorRecord* a, const TensorRecord* b) { return a->offset < b->offset; });
    return records;
  }

  absl::Status Replace(const TensorRecord& record, FileCopy* copy) {
    const ManifestTensor& tensor = *tensors_.at(record.key);
    SUB1QUANT_ASSIGN_OR_RETURN(const std::string bytes, blobs_.Get(tensor.blob_sha256));
    SUB1QUANT_ASSIGN_OR_RETURN(const EncodedMatrix encoded, EncodedFromBlob(bytes, tensor, manifest_.group_size));
    return copy->Append(encoded, record.dtype);
  }

  const Manifest& manifest_;
  BlobStore& blobs_;
  ModelSource& model_;
  std::map<std::string, const ManifestTensor*> tensors_;
};

}  // namespace

absl::Status ExportDense(const Manifest& manifest, BlobStore& blobs, ModelSource& model, const std::string& directory) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<NewDirectory> target, NewDirectory::Create(directory));
  SUB1QUANT_RETURN_IF_ERROR(DenseExport(manifest, blobs, model).Run(target->temporary()));
  return target->Commit();
}

}  // namespace sub1quant
