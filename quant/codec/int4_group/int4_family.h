// groupwise_int4 (docs/formats.md §2). The format `int4` is another one: integer_group.
#pragma once

#include "quant/codec/family.h"

namespace sub1quant {

const Family& Int4Family();

}  // namespace sub1quant
