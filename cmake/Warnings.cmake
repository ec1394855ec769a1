add_library(sub1quant_warnings INTERFACE)
# __int128 is what the exact sums are made of; GCC 12's -Wrestrict is wrong about std::string at -O3.
target_compile_options(sub1quant_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Werror -Wno-pedantic $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>>)
# GCC's -Wmaybe-uninitialized is wrong about instrumented code (std::regex under -fsanitize=address), as its manual says.
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(sub1quant_warnings INTERFACE -Wno-maybe-uninitialized)
endif()
