// baseline: see CMakeLists.txt for the flags.
#define SUB1QUANT_KERNELS kernels_baseline
#include "quant/eval/torch/cpu/kernels_body.h"
