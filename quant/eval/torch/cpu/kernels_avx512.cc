// avx512: see CMakeLists.txt for the flags.
#define SUB1QUANT_KERNELS kernels_avx512
#include "quant/eval/torch/cpu/kernels_body.h"
