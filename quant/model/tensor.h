// What a model directory holds, as values: no bytes of weights here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/file.h"

namespace sub1quant {

// safetensors dtypes. Values are on the wire (proto plan.DType): do not renumber.
enum class DType : uint8_t {
  kUnknown = 0,
  kBool = 1,
  kU8 = 2,
  kI8 = 3,
  kF8E5M2 = 4,
  kF8E4M3 = 5,
  kI16 = 6,
  kU16 = 7,
  kF16 = 8,
  kBF16 = 9,
  kI32 = 10,
  kU32 = 11,
  kF32 = 12,
  kF64 = 13,
  kI64 = 14,
  kU64 = 15,
};

// "BF16", "F32", … as in a safetensors header; nullopt for a name that is none of them.
std::optional<DType> ParseDType(const std::string& name);
std::string DTypeName(DType dtype);
// Bytes of one element.
int DTypeSize(DType dtype);

// One tensor of a safetensors file. `offset` counts from the start of the file (not of the data section).
struct TensorRecord {
  std::string key;
  DType dtype = DType::kUnknown;
  std::vector<int64_t> shape;
  std::string file;  // name inside the model directory
  uint64_t offset = 0;
  uint64_t bytes = 0;

  int64_t elements() const;
  // Of a 2-D tensor.
  int64_t rows() const { return shape.at(0); }
  int64_t cols() const { return shape.at(1); }
  friend bool operator==(const TensorRecord&, const TensorRecord&) = default;
};

struct ModelFile {
  std::string name;
  uint64_t size = 0;
  std::string header_sha256;
  std::string identity;  // FileIdentity::ToString() of the version that was read
  friend bool operator==(const ModelFile&, const ModelFile&) = default;
};

// All tensors of a model in enumeration order: *.safetensors files in name order, keys in header order inside each.
struct TensorInventory {
  std::vector<ModelFile> files;
  std::vector<TensorRecord> tensors;

  const TensorRecord* Find(const std::string& key) const;  // linear; nullptr if absent
  uint64_t total_bytes() const;                            // of tensors
};

}  // namespace sub1quant
