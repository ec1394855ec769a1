add_library(sub1quant_warnings INTERFACE)
# __int128 is what the exact sums are made of; GCC 12's -Wrestrict is wrong about std::string at -O3.
target_compile_options(sub1quant_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Werror -Wno-pedantic $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>>)
