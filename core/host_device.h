// Marks a function that the CPU and the kernels share; empty for a compiler that knows no devices.
#pragma once

#ifdef __CUDACC__
#define SUB1QUANT_HOST_DEVICE __host__ __device__
#else
#define SUB1QUANT_HOST_DEVICE
#endif
