// How many bits of each array belong to one group, in the order of the codec's arrays: what splits a matrix into blocks
// of rows. Blocks have an even number of rows, so that each starts on a byte in every array.
#pragma once

#include <cstdint>

#include "quant/device/module.h"

namespace sub1quant {

struct KernelArrayBits {
  int count = 0;     // arrays
  int required = 0;  // the others may be absent
  int64_t bits[kMaxKernelArrays] = {};
};

inline KernelArrayBits BitsPerGroup(const KernelMethod& method, int64_t group_size) {
  const int64_t k = method.parameter;  // or bits
  switch (method.format) {
    case KernelFormat::kInt4:
      return {2, 2, {16, 4 * group_size}};
    case KernelFormat::kInt2Base:
      return {4, 2, {2 * group_size, 16, group_size, 16}};
    case KernelFormat::kInt2Binary:
      return {4, 4, {2 * group_size, 16, group_size, 16}};
    case KernelFormat::kInt2Corrected:
      return {8, 8, {2 * group_size, 16, group_size, 16, 8 * k, 8, 4 * k, 16}};
    case KernelFormat::kInteger:
      return {2, 2, {16, k * group_size}};
  }
  return {};
}

}  // namespace sub1quant
