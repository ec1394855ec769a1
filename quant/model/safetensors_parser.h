// The JSON of a safetensors header as it stands, before anything is checked against the file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/model/tensor.h"

namespace sub1quant {

struct RawSafetensors {
  struct Tensor {
    std::string key;
    DType dtype = DType::kUnknown;
    std::vector<int64_t> shape;
    uint64_t begin = 0, end = 0;  // data_offsets: in the data section
  };
  std::vector<Tensor> tensors;  // header order
  std::map<std::string, std::string> metadata;
};

inline constexpr size_t kMaxSafetensorsTensors = 100000;

// Structure only: known members, each once, of the right JSON type; tensor names without control characters and given
// once.
absl::StatusOr<RawSafetensors> ParseSafetensorsJson(const char* text, size_t size);

}  // namespace sub1quant
