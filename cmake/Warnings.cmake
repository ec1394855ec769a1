add_library(sub1quant_warnings INTERFACE)
target_compile_options(sub1quant_warnings INTERFACE -Wall -Wextra -Wpedantic -Werror
  # __int128 is what the exact sums are made of; GCC 12's -Wrestrict is wrong about std::string at -O3.
  -Wno-pedantic $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
