// A blob is a safetensors file of its own: one tensor per array, what they are in the metadata.
#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "core/status.h"
#include "quant/artifact/manifest.h"
#include "quant/model/safetensors.h"

namespace sub1quant {
namespace {

std::map<std::string, std::string> Metadata(const std::string& method, int64_t rows, int64_t cols, int group_size) {
  return {{"format", "sub1quant"},
          {"method", method},
          {"rows", absl::StrCat(rows)},
          {"cols", absl::StrCat(cols)},
          {"group_size", absl::StrCat(group_size)}};
}

}  // namespace

BlobParts EncodedToBlobParts(const EncodedMatrix& encoded) {
  // Wider elements first, so that every array is aligned in a mapped file.
  std::vector<const EncodedArray*> arrays;
  for (const EncodedArray& array : encoded.arrays) arrays.push_back(&array);
  std::stable_sort(arrays.begin(), arrays.end(), [](const EncodedArray* a, const EncodedArray* b) {
    return DTypeSize(a->dtype) > DTypeSize(b->dtype);
  });
  std::vector<SafetensorsEntry> entries;
  for (const EncodedArray* array : arrays) entries.push_back({array->name, array->dtype, array->shape});
  BlobParts parts;
  parts.header =
      MakeSafetensorsHeader(entries, Metadata(encoded.method, encoded.rows, encoded.cols, encoded.group_size));
  for (const EncodedArray* array : arrays) parts.arrays.push_back({array->bytes.data(), array->bytes.size()});
  return parts;
}

std::string EncodedToBlob(const EncodedMatrix& encoded) {
  const BlobParts parts = EncodedToBlobParts(encoded);
  std::string blob = parts.header;
  for (const ByteSpan& array : parts.arrays) blob.append(static_cast<const char*>(array.data), array.size);
  return blob;
}

absl::StatusOr<EncodedMatrix> EncodedFromBlob(const std::string& bytes, const ManifestTensor& tensor, int group_size) {
  SUB1QUANT_ASSIGN_OR_RETURN(const SafetensorsHeader header,
                             ParseSafetensorsHeader(bytes, bytes.size(), "blob of " + tensor.key));
  if (header.metadata != Metadata(tensor.method, tensor.rows, tensor.cols, group_size))
    return absl::DataLossError(absl::StrCat("blob of ", tensor.key, ": holds another matrix than ", tensor.method, " [",
                                            tensor.rows, ", ", tensor.cols, "] in groups of ", group_size));
  EncodedMatrix encoded;
  encoded.method = tensor.method;
  encoded.rows = tensor.rows;
  encoded.cols = tensor.cols;
  encoded.group_size = group_size;
  if (tensor.error) encoded.error = *tensor.error;
  for (const TensorRecord& record : header.tensors) {
    SUB1QUANT_CHECK(record.offset <= bytes.size() && record.bytes <= bytes.size() - record.offset);
    const auto* data = reinterpret_cast<const uint8_t*>(bytes.data()) + record.offset;
    encoded.arrays.push_back({record.key, record.dtype, record.shape, {data, data + record.bytes}});
  }
  return encoded;
}

}  // namespace sub1quant
