# CUDA with the arithmetic that docs/formats.md §7 asks for. Device code for Ampere, Ada and Hopper, and PTX for what comes
# after. nvcc 13 need not be on the PATH.
include_guard(GLOBAL)
find_program(CMAKE_CUDA_COMPILER nvcc PATHS /usr/local/cuda/bin REQUIRED)
set(CMAKE_CUDA_ARCHITECTURES 80-real 89-real 90-real 90-virtual)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 13.0)
  message(FATAL_ERROR "nvcc ${CMAKE_CUDA_COMPILER_VERSION} at ${CMAKE_CUDA_COMPILER}: 13.0 or newer is needed")
endif()
find_package(CUDAToolkit REQUIRED)
# CMake 3.25 does not know that nvcc has C++20.
set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
set(CMAKE_CUDA_STANDARD 20)

# No fused multiply-adds, no flushing of denormals, true division; std::bit_cast in device code. 1675 is a GCC pragma that
# nvcc does not know.
add_library(sub1quant_kernel_options INTERFACE)
target_compile_options(sub1quant_kernel_options INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:--fmad=false --ftz=false --prec-div=true --prec-sqrt=true --expt-relaxed-constexpr
    -diag-suppress=1675 -Werror=all-warnings -Xcompiler=-Wall,-Wextra,-Werror,-ffp-contract=off>)
