// A model directory packed into memory: its matrices encoded by the project's codecs, and the manifest that names them.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/digest.h"
#include "core/status.h"
#include "quant/artifact/manifest.h"
#include "quant/model/model_source.h"
#include "quant/model/quantizable.h"
#include "quant/model/safetensors.h"

namespace sub1quant {

struct PackedModel {
  Manifest manifest;
  std::vector<EncodedMatrix> matrices;  // with ignored arrays
};

// `method_of(position)` chooses the format of each quantizable matrix in enumeration order.
inline absl::StatusOr<PackedModel> PackModel(ModelSource& model, const std::string& name,
                                             const std::function<std::string(size_t)>& method_of) {
  SUB1QUANT_ASSIGN_OR_RETURN(const TensorInventory inventory, ReadInventory(model));
  const QuantizableSelection selection = SelectQuantizable(inventory);
  PackedModel packed;
  Manifest& manifest = packed.manifest;
  for (size_t i = 0; i < selection.indices.size(); ++i) {
    const TensorRecord& record = inventory.tensors[selection.indices[i]];
    std::string bytes(record.bytes, '\0');
    SUB1QUANT_RETURN_IF_ERROR(model.Read(record.file, record.offset, bytes.data(), bytes.size()));
    const Codec* codec = FindCodec(method_of(i));
    if (codec == nullptr) return absl::NotFoundError(method_of(i));
    EncodeOptions options;
    options.keep_ignored_arrays = true;
    SUB1QUANT_ASSIGN_OR_RETURN(EncodedMatrix encoded,
                               codec->Encode({bytes.data(), record.dtype, record.rows(), record.cols()}, options));
    ManifestTensor tensor;
    tensor.index = static_cast<int64_t>(i);
    tensor.key = record.key;
    tensor.rows = record.rows();
    tensor.cols = record.cols();
    tensor.dtype = DTypeName(record.dtype);
    tensor.tensor_sha256 = Sha256Hex(bytes);
    tensor.method = codec->method();
    tensor.codec_version = codec->version();
    tensor.bits = codec->NominalBits(record.rows(), record.cols(), options.group_size);
    tensor.error = encoded.error;
    tensor.mse = encoded.error.ToDouble() / static_cast<double>(tensor.params());
    tensor.stored_bytes = codec->StoredBytes(record.rows(), record.cols(), options.group_size);
    manifest.tensors.push_back(tensor);
    packed.matrices.push_back(std::move(encoded));
  }
  manifest.model_name = name;
  manifest.selection = selection.text_only ? "text-only" : "multimodal";
  manifest.allocator = "fixed";
  manifest.inputs = Json::object();
  manifest.totals = TotalsOf(manifest.tensors, {});
  return packed;
}

// Puts the matrices into `blobs` and their digests into the manifest.
inline absl::Status StoreBlobs(PackedModel& packed, BlobStore& blobs) {
  for (size_t i = 0; i < packed.matrices.size(); ++i) {
    EncodedMatrix matrix = packed.matrices[i];
    if (matrix.method == "int2_base")
      std::erase_if(matrix.arrays, [](const EncodedArray& array) { return array.name.rfind("residual_", 0) == 0; });
    const std::string blob = EncodedToBlob(matrix);
    ManifestTensor& tensor = packed.manifest.tensors[i];
    SUB1QUANT_ASSIGN_OR_RETURN(tensor.blob_sha256, PutBlob(blobs, blob));
    tensor.blob_bytes = blob.size();
  }
  return absl::OkStatus();
}

}  // namespace sub1quant
