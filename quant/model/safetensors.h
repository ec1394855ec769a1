// Reads and writes safetensors headers (https://github.com/huggingface/safetensors#format). All input is hostile.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/model/model_source.h"
#include "quant/model/tensor.h"

namespace sub1quant {

struct SafetensorsHeader {
  std::vector<TensorRecord> tensors;            // header order; `file` is `file_name` as given
  std::map<std::string, std::string> metadata;  // __metadata__
  uint64_t data_offset = 0;                     // 8 + header length
  std::string sha256;                           // of the 8 length bytes and the header
};

// `bytes` starts at the file's first byte and holds at least 8 + header length bytes; `file_size` is the real size.
// Refuses, naming what and where: truncated or too long header (cap 64 MiB), not JSON, depth, duplicate key, unknown
// dtype, shape or size overflow, a range that overlaps, leaves a hole, lies outside the file or does not match shape
// and dtype.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(const std::string& bytes, uint64_t file_size,
                                                         const std::string& file_name);

// Reads the header of `file` of `source`.
absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(ModelSource& source, const std::string& file);

// All *.safetensors files of a model. With model.safetensors.index.json: every file that it names must exist, and each
// of its keys must be in the file it names (extra files are an error too). A key in two files is an error.
absl::StatusOr<TensorInventory> ReadInventory(ModelSource& source);

// Header bytes (8 length bytes and JSON, padded with spaces to a multiple of 8) for tensors laid out one after another
// in the given order: (key, dtype, shape).
struct SafetensorsEntry {
  std::string key;
  DType dtype;
  std::vector<int64_t> shape;
};
std::string MakeSafetensorsHeader(const std::vector<SafetensorsEntry>& entries,
                                  const std::map<std::string, std::string>& metadata);

}  // namespace sub1quant
