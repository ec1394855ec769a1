#include "quant/artifact/pt_integer.h"

namespace sub1quant {
namespace {

constexpr char kInt4[] = "int4", kInt4Entry[] = "groupwise_int4";
constexpr char kInt2[] = "int2", kInt2Entry[] = "int2_base";

// Codes fill their bytes in both: rows of bytes here, one row of all there.
void Rename(EncodedArray* array, const std::string& name, std::vector<int64_t> shape) {
  array->name = name;
  array->shape = std::move(shape);
}

// 2-bit codes q+2 and q'+1 with q' = -q: each the complement of the other.
void NegateCodes(EncodedArray* codes) {
  for (uint8_t& byte : codes->bytes) byte = static_cast<uint8_t>(~byte);
}

void NegateScales(EncodedArray* scales) {
  for (size_t i = 1; i < scales->bytes.size(); i += 2) scales->bytes[i] = static_cast<uint8_t>(scales->bytes[i] ^ 0x80);
}

}  // namespace

std::string EntryMethod(const std::string& method) {
  return method == kInt4 ? kInt4Entry : method == kInt2 ? kInt2Entry : method;
}

void ToEntryMethod(EncodedMatrix* encoded) {
  const bool int2 = encoded->method == kInt2;
  if (!int2 && encoded->method != kInt4) return;
  encoded->method = EntryMethod(encoded->method);
  for (EncodedArray& array : encoded->arrays) {
    if (array.name == "packed") {
      Rename(&array, int2 ? "base_packed" : "packed_int4", {static_cast<int64_t>(array.bytes.size())});
      if (int2) NegateCodes(&array);
    } else if (array.name == "scales" && int2) {
      Rename(&array, "base_scales", array.shape);
      NegateScales(&array);
    }
  }
}

void FromEntryMethod(const std::string& method, EncodedMatrix* encoded) {
  const bool int2 = method == kInt2;
  encoded->method = method;
  if (!int2 && method != kInt4) return;
  for (EncodedArray& array : encoded->arrays) {
    if (array.name == "base_packed" || array.name == "packed_int4") {
      Rename(&array, "packed", {encoded->rows, static_cast<int64_t>(array.bytes.size()) / encoded->rows});
      if (int2) NegateCodes(&array);
    } else if (array.name == "base_scales") {
      Rename(&array, "scales", array.shape);
      NegateScales(&array);
    }
  }
}

}  // namespace sub1quant
