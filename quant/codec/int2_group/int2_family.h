// int2_base, int2_binary_residual (docs/formats.md §3) and int2_error_budget_k{K} (§4): one base encoding per
// multiplier, three ways to go on from it.
#pragma once

#include "quant/codec/family.h"

namespace sub1quant {

const Family& Int2Family();

}  // namespace sub1quant
