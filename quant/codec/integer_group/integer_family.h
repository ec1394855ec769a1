// int2, int3, int4, int5, int6, int8 (docs/formats.md §9).
#pragma once

#include "quant/codec/family.h"

namespace sub1quant {

const Family& IntegerFamily();

}  // namespace sub1quant
