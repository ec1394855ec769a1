# One function per kind of target, so that a folder's CMakeLists.txt says only what is in it and what it may include.
include_guard(GLOBAL)

# sub1quant_library(NAME SOURCES … DEPENDS … [PRIVATE_DEPENDS …])  →  target sub1quant_NAME, alias sub1quant::NAME
function(sub1quant_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(sub1quant_${name} STATIC ${ARG_SOURCES})
  add_library(sub1quant::${name} ALIAS sub1quant_${name})
  target_include_directories(sub1quant_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(sub1quant_${name} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS} sub1quant_warnings)
endfunction()

# sub1quant_binary(NAME SOURCES … DEPENDS …)  →  bin/NAME
function(sub1quant_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} sub1quant_warnings)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# sub1quant_test(NAME SOURCES … DEPENDS … [LABELS …])  →  one GoogleTest program, one ctest entry per program
function(sub1quant_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} sub1quant_warnings GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE SUB1QUANT_TESTDATA="${PROJECT_SOURCE_DIR}/tests/testdata")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(TARGET sub1quant_grpc_order)  # under ThreadSanitizer
    target_link_libraries(${name} PRIVATE sub1quant_grpc_order)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  if(ARG_LABELS)
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}")
  endif()
endfunction()
