#include "client/export.h"

#include <memory>
#include <unordered_map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/file.h"
#include "core/status.h"
#include "quant/artifact/pt.h"
#include "quant/codec/codec.h"
#include "quant/model/safetensors.h"

namespace sub1quant {
namespace {

constexpr char kInt2Base[] = "int2_base";

// int2_base matrices with the arrays that decoding ignores, out of the model.
class Reencoder {
 public:
  static absl::StatusOr<std::unique_ptr<Reencoder>> Open(ModelSource& model, int group_size, int threads) {
    SUB1QUANT_ASSIGN_OR_RETURN(TensorInventory inventory, ReadInventory(model));
    return std::unique_ptr<Reencoder>(new Reencoder(model, std::move(inventory), group_size, threads));
  }

  // `stored`: what the artifact holds; the arrays that count must be the same.
  absl::StatusOr<EncodedMatrix> Encode(const ManifestTensor& tensor, const EncodedMatrix& stored) const {
    const auto found = by_key_.find(tensor.key);
    if (found == by_key_.end()) return Differs(tensor, "the model has no such tensor");
    const TensorRecord& record = inventory_.tensors[found->second];
    if (record.shape != std::vector<int64_t>{tensor.rows, tensor.cols})
      return Differs(tensor, "the model's has another shape");
    std::vector<uint8_t> bytes(record.bytes);
    SUB1QUANT_RETURN_IF_ERROR(model_.Read(record.file, record.offset, bytes.data(), bytes.size()));
    EncodeOptions options;
    options.group_size = group_size_;
    options.threads = threads_;
    options.keep_ignored_arrays = true;
    absl::StatusOr<EncodedMatrix> encoded =
        FindCodec(kInt2Base)->Encode({bytes.data(), record.dtype, tensor.rows, tensor.cols}, options);
    if (!encoded.ok()) return Annotate(encoded.status(), tensor.key);
    for (const EncodedArray& array : stored.arrays) {
      const EncodedArray* same = encoded->Find(array.name);
      if (same == nullptr || same->bytes != array.bytes) return Differs(tensor, "the model's gives other codes");
    }
    return encoded;
  }

 private:
  Reencoder(ModelSource& model, TensorInventory inventory, int group_size, int threads)
      : model_(model), inventory_(std::move(inventory)), group_size_(group_size), threads_(threads) {
    for (size_t i = 0; i < inventory_.tensors.size(); ++i) by_key_.emplace(inventory_.tensors[i].key, i);
  }
  static absl::Status Differs(const ManifestTensor& tensor, const std::string& how) {
    return absl::FailedPreconditionError(
        absl::StrCat("--model: ", tensor.key, ": ", how, "; the model that the artifact was made of is expected"));
  }

  ModelSource& model_;
  TensorInventory inventory_;
  int group_size_, threads_;
  std::unordered_map<std::string, size_t> by_key_;
};

}  // namespace

absl::Status ExportPt(const Artifact& artifact, ModelSource* model, int threads, const std::string& path) {
  const Manifest& manifest = artifact.manifest;
  std::unique_ptr<Reencoder> reencoder;
  if (model != nullptr) {
    SUB1QUANT_ASSIGN_OR_RETURN(reencoder, Reencoder::Open(*model, manifest.group_size, threads));
  }
  const EncodedSource source = [&](size_t i) -> absl::StatusOr<EncodedMatrix> {
    const ManifestTensor& tensor = manifest.tensors[i];
    SUB1QUANT_ASSIGN_OR_RETURN(const std::string blob, artifact.blobs->Get(tensor.blob_sha256));
    absl::StatusOr<EncodedMatrix> stored = EncodedFromBlob(blob, tensor, manifest.group_size);
    if (!stored.ok()) return Annotate(stored.status(), tensor.key);
    if (reencoder == nullptr || tensor.method != kInt2Base) return stored;
    return reencoder->Encode(tensor, *stored);
  };
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<AtomicFile> file, AtomicFile::Create(path));
  SUB1QUANT_RETURN_IF_ERROR(
      WritePt(manifest, source, [&file](const void* data, size_t size) { return file->Append(data, size); }));
  return file->Commit();
}

}  // namespace sub1quant
