#include "quant/codec/codec.h"

#include "absl/strings/str_cat.h"

namespace sub1quant {

const EncodedArray* EncodedMatrix::Find(const std::string& name) const {
  for (const EncodedArray& array : arrays)
    if (array.name == name) return &array;
  return nullptr;
}

uint64_t EncodedMatrix::stored_bytes() const {
  uint64_t bytes = 0;
  for (const EncodedArray& array : arrays) bytes += array.bytes.size();
  return bytes;
}

absl::Status CheckGroupSize(int group_size) {
  if (group_size == 32 || group_size == 64 || group_size == 128 || group_size == 256) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("group size ", group_size, " is not 32, 64, 128 or 256"));
}

}  // namespace sub1quant
