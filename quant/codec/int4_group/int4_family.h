// groupwise_int4 (docs/formats.md §2).
#pragma once

#include "quant/codec/family.h"

namespace sub1quant {

const Family& Int4Family();

}  // namespace sub1quant
