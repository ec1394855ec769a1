// The entry of one matrix in a checkpoint: its keys in their order, which of them are arrays, and their types and
// shapes (docs/formats.md §5). Writer and reader share this table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/codec/codec.h"

namespace sub1quant {

struct PtItem {
  std::string name;
  bool array = false;
  int64_t value = 0;              // of a number
  DType dtype = DType::kUnknown;  // of an array
  std::vector<int64_t> shape;     // of an array
  bool ignored = false;           // decoding does not need it (residual arrays of int2_base)
};

struct PtEntryLayout {
  std::string format;         // value of `format`
  std::vector<PtItem> items;  // what stands between `bpw` and `key`
};

// InvalidArgument for a method that the checkpoint layout has no entry for. Without `ignored`, an int2_base entry has
// no residual arrays, counts and bits.
absl::StatusOr<PtEntryLayout> LayoutOfEntry(const std::string& method, int64_t rows, int64_t cols, int group_size,
                                            bool ignored);

// Method name of an entry's `format`; `outliers` is its outliers_per_group and `bits` its bits, or 0.
absl::StatusOr<std::string> MethodOfFormat(const std::string& format, int64_t outliers, int64_t bits);

// Takes out what decoding ignores: what the native artifact does not store.
void DropIgnoredArrays(EncodedMatrix* encoded);

}  // namespace sub1quant
