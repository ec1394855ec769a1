#pragma once

#include "quant/codec/int4_group/int4_group.h"

namespace sub1quant {

extern const Int4Kernels kReciprocalInt4;  // needs AVX2

}  // namespace sub1quant
