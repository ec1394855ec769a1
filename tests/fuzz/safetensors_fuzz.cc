// Input: a whole safetensors file. What is accepted lies inside the file and has the size that shape and type call for.
#include <cstdint>
#include <string>

#include "core/check.h"
#include "quant/model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto header = sub1quant::ParseSafetensorsHeader(bytes, size, "f");
  if (!header.ok()) return 0;
  uint64_t sum = header->data_offset;
  for (const sub1quant::TensorRecord& tensor : header->tensors) {
    SUB1QUANT_CHECK(tensor.offset >= header->data_offset && tensor.offset <= size);
    SUB1QUANT_CHECK(tensor.bytes <= size - tensor.offset);
    SUB1QUANT_CHECK(static_cast<uint64_t>(tensor.elements()) * static_cast<uint64_t>(DTypeSize(tensor.dtype)) ==
                    tensor.bytes);
    sum += tensor.bytes;
  }
  SUB1QUANT_CHECK(sum == size);
  return 0;
}
