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

absl::Status WriteBlob(const EncodedMatrix& encoded, const ByteSink& sink) {
  // Wider elements first, so that every array is aligned in a mapped file.
  std::vector<const EncodedArray*> arrays;
  for (const EncodedArray& array : encoded.arrays) arrays.push_back(&array);
  std::stable_sort(arrays.begin(), arrays.end(), [](const EncodedArray* a, const EncodedArray* b) {
    return DTypeSize(a->dtype) > DTypeSize(b->dtype);
  });
  std::vector<SafetensorsEntry> entries;
  for (const EncodedArray* array : arrays) entries.push_back({array->name, array->dtype, array->shape});
  const std::string header =
      MakeSafetensorsHeader(entries, Metadata(encoded.method, encoded.rows, encoded.cols, encoded.group_size));
  SUB1QUANT_RETURN_IF_ERROR(sink(header.data(), header.size()));
  for (const EncodedArray* array : arrays) SUB1QUANT_RETURN_IF_ERROR(sink(array->bytes.data(), array->bytes.size()));
  return absl::OkStatus();
}

std::string EncodedToBlob(const EncodedMatrix& encoded) {
  std::string blob;
  const absl::Status appended = WriteBlob(encoded, [&blob](const void* data, size_t size) {
    blob.append(static_cast<const char*>(data), size);
    return absl::OkStatus();
  });
  SUB1QUANT_CHECK(appended.ok());
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
