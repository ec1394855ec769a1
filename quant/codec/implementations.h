// The instruction sets that the encoders are written for, listed once. All give the same bytes and sums; `scalar` is
// the oracle that the others are tested against, written for reading.
#pragma once

#include <string>
#include <vector>

#include "quant/codec/int2_group/int2_group.h"
#include "quant/codec/int4_group/int4_group.h"
#include "quant/codec/integer_group/integer_group.h"
#include "quant/codec/weight_tile.h"

namespace sub1quant {

struct Implementation {
  const char* name;     // "scalar", "avx2", "avx512"
  bool (*supported)();  // by this CPU and its operating system
  void (*load)(DType dtype, const TileSource& source, WeightTile* tile);
  Int4Kernels int4;
  Int2Kernels int2;
  IntegerKernels integer;
};

// All that were compiled in, the fastest first, `scalar` last.
const std::vector<const Implementation*>& Implementations();
// The first that this CPU supports.
const Implementation& BestImplementation();

// Whether CPU and operating system have all that the file of an implementation is compiled for: a virtual machine may
// hide some of it. Defined in a file for any CPU; there only where SUB1QUANT_X86 is.
bool SupportsAvx2();
bool SupportsAvx512();

}  // namespace sub1quant
