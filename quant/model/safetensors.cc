#include "quant/model/safetensors.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "core/digest.h"
#include "core/json.h"
#include "core/status.h"
#include "quant/model/safetensors_parser.h"
#include "quant/model/safetensors_reader.h"
#include "quant/model/strict_sax.h"

namespace sub1quant {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = uint64_t{64} << 20;

uint64_t LittleEndian64(const char* bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

absl::Status Invalid(const std::string& message) { return absl::InvalidArgumentError(message); }

// The header length that the first 8 bytes declare, if a file of that size can hold it.
absl::StatusOr<uint64_t> HeaderLength(const char* bytes, uint64_t file_size) {
  const uint64_t length = LittleEndian64(bytes);
  if (length > kMaxHeaderBytes)
    return Invalid("header: length " + std::to_string(length) + " is above the limit of " +
                   std::to_string(kMaxHeaderBytes));
  if (length > file_size - kLengthBytes)
    return Invalid("header: length " + std::to_string(length) + " in a file of " + std::to_string(file_size) +
                   " bytes");
  if (length == 0) return Invalid("header: empty");
  return length;
}

// Bytes that shape and dtype call for; InvalidArgument if no 64-bit number holds them.
absl::StatusOr<uint64_t> ByteSize(const RawSafetensors::Tensor& tensor) {
  int64_t size = DTypeSize(tensor.dtype);
  int64_t elements = 1;
  for (const int64_t dimension : tensor.shape)
    if (__builtin_mul_overflow(elements, dimension, &elements)) return Invalid("shape overflows 64 bits");
  if (__builtin_mul_overflow(size, elements, &size)) return Invalid("size in bytes overflows 64 bits");
  return static_cast<uint64_t>(size);
}

absl::Status CheckRange(const RawSafetensors::Tensor& tensor, uint64_t data_size) {
  if (tensor.begin > tensor.end) return Invalid("data_offsets run backwards");
  if (tensor.end > data_size)
    return Invalid("data_offsets end at " + std::to_string(tensor.end) + ", the file has " + std::to_string(data_size) +
                   " bytes of data");
  SUB1QUANT_ASSIGN_OR_RETURN(const uint64_t bytes, ByteSize(tensor));
  if (tensor.end - tensor.begin != bytes)
    return Invalid("data_offsets hold " + std::to_string(tensor.end - tensor.begin) + " bytes, shape and dtype need " +
                   std::to_string(bytes));
  return absl::OkStatus();
}

// The ranges, in the order of the data, cover the data section without overlap and hole.
absl::Status CheckLayout(const std::vector<RawSafetensors::Tensor>& tensors, uint64_t data_size) {
  std::vector<const RawSafetensors::Tensor*> order;
  for (const auto& tensor : tensors) {
    SUB1QUANT_RETURN_IF_ERROR(Annotate(CheckRange(tensor, data_size), "tensor " + QuotedKey(tensor.key)));
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return std::pair(a->begin, a->end) < std::pair(b->begin, b->end); });
  uint64_t expected = 0;
  for (const auto* tensor : order) {
    if (tensor->begin != expected)
      return Invalid("tensor " + QuotedKey(tensor->key) + ": data begin at " + std::to_string(tensor->begin) + ", " +
                     (tensor->begin < expected ? "an overlap: " : "a hole: ") + std::to_string(expected) +
                     " is expected");
    expected = tensor->end;
  }
  if (expected != data_size) return Invalid(std::to_string(data_size - expected) + " bytes follow the last tensor");
  return absl::OkStatus();
}

absl::StatusOr<SafetensorsHeader> ParseHeader(const std::string& bytes, uint64_t file_size,
                                              const std::string& file_name) {
  if (file_size < kLengthBytes || bytes.size() < kLengthBytes) return Invalid("truncated: shorter than 8 bytes");
  SUB1QUANT_ASSIGN_OR_RETURN(const uint64_t length, HeaderLength(bytes.data(), file_size));
  if (bytes.size() - kLengthBytes < length) return Invalid("header: truncated");
  if (bytes[kLengthBytes] != '{') return Invalid("header: does not begin with '{'");

  auto raw = ParseSafetensorsJson(bytes.data() + kLengthBytes, length);
  if (!raw.ok()) return Annotate(raw.status(), "header");
  SafetensorsHeader header;
  header.data_offset = kLengthBytes + length;
  SUB1QUANT_RETURN_IF_ERROR(Annotate(CheckLayout(raw->tensors, file_size - header.data_offset), "header"));
  header.tensors.reserve(raw->tensors.size());
  for (RawSafetensors::Tensor& tensor : raw->tensors)
    header.tensors.push_back({std::move(tensor.key), tensor.dtype, std::move(tensor.shape), file_name,
                              header.data_offset + tensor.begin, tensor.end - tensor.begin});
  header.metadata = std::move(raw->metadata);
  header.sha256 = Sha256Hex(bytes.data(), header.data_offset);
  return header;
}

}  // namespace

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(const std::string& bytes, uint64_t file_size,
                                                         const std::string& file_name) {
  auto header = ParseHeader(bytes, file_size, file_name);
  if (!header.ok()) return Annotate(header.status(), file_name);
  return header;
}

absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeaderOfSize(ModelSource& source, const std::string& file,
                                                              uint64_t file_size) {
  if (file_size < kLengthBytes) return Invalid(file + ": truncated: shorter than 8 bytes");
  std::string bytes(kLengthBytes, '\0');
  SUB1QUANT_RETURN_IF_ERROR(source.Read(file, 0, bytes.data(), kLengthBytes));
  auto length = HeaderLength(bytes.data(), file_size);
  if (!length.ok()) return Annotate(length.status(), file);
  bytes.resize(kLengthBytes + *length);
  SUB1QUANT_RETURN_IF_ERROR(source.Read(file, kLengthBytes, bytes.data() + kLengthBytes, *length));
  return ParseSafetensorsHeader(bytes, file_size, file);
}

absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(ModelSource& source, const std::string& file) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<ModelSource::File> files, source.List());
  const auto found = std::find_if(files.begin(), files.end(), [&](const auto& entry) { return entry.name == file; });
  if (found == files.end()) return absl::NotFoundError(file + ": not in the model directory");
  return ReadSafetensorsHeaderOfSize(source, file, found->size);
}

std::string MakeSafetensorsHeader(const std::vector<SafetensorsEntry>& entries,
                                  const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  const auto add = [&text](const std::string& key, const std::string& value) {
    text += (text.size() == 1 ? "" : ",") + Json(key).dump() + ":" + value;
  };
  if (!metadata.empty()) add("__metadata__", Json(metadata).dump());
  uint64_t offset = 0;
  for (const SafetensorsEntry& entry : entries) {
    const auto size = ByteSize({entry.key, entry.dtype, entry.shape, 0, 0});
    SUB1QUANT_CHECK(size.ok());
    const Json value = {
        {"dtype", DTypeName(entry.dtype)}, {"shape", entry.shape}, {"data_offsets", {offset, offset + *size}}};
    add(entry.key, value.dump());
    offset += *size;
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string length(kLengthBytes, '\0');
  for (size_t i = 0; i < kLengthBytes; ++i) length[i] = static_cast<char>(text.size() >> (8 * i));
  return length + text;
}

}  // namespace sub1quant
