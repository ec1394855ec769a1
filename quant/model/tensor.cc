#include "quant/model/tensor.h"

#include <array>

#include "core/check.h"

namespace sub1quant {
namespace {

struct DTypeEntry {
  DType dtype;
  const char* name;
  int size;
};

constexpr std::array<DTypeEntry, 15> kDTypes = {{
    {DType::kBool, "BOOL", 1},
    {DType::kU8, "U8", 1},
    {DType::kI8, "I8", 1},
    {DType::kF8E5M2, "F8_E5M2", 1},
    {DType::kF8E4M3, "F8_E4M3", 1},
    {DType::kI16, "I16", 2},
    {DType::kU16, "U16", 2},
    {DType::kF16, "F16", 2},
    {DType::kBF16, "BF16", 2},
    {DType::kI32, "I32", 4},
    {DType::kU32, "U32", 4},
    {DType::kF32, "F32", 4},
    {DType::kF64, "F64", 8},
    {DType::kI64, "I64", 8},
    {DType::kU64, "U64", 8},
}};

const DTypeEntry& EntryOf(DType dtype) {
  for (const DTypeEntry& entry : kDTypes)
    if (entry.dtype == dtype) return entry;
  SUB1QUANT_CHECK(!"a dtype without a name");
}

}  // namespace

std::optional<DType> ParseDType(const std::string& name) {
  for (const DTypeEntry& entry : kDTypes)
    if (name == entry.name) return entry.dtype;
  return std::nullopt;
}

std::string DTypeName(DType dtype) { return dtype == DType::kUnknown ? "unknown" : EntryOf(dtype).name; }

int DTypeSize(DType dtype) { return EntryOf(dtype).size; }

int64_t TensorRecord::elements() const {
  int64_t product = 1;
  for (const int64_t dimension : shape) product *= dimension;
  return product;
}

const TensorRecord* TensorInventory::Find(const std::string& key) const {
  for (const TensorRecord& tensor : tensors)
    if (tensor.key == key) return &tensor;
  return nullptr;
}

uint64_t TensorInventory::total_bytes() const {
  uint64_t sum = 0;
  for (const TensorRecord& tensor : tensors) sum += tensor.bytes;
  return sum;
}

}  // namespace sub1quant
