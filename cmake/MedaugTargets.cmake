# SPDX-License-Identifier: MIT
# medaug_library(NAME <folder> [NEEDS <target>...] [TEST_NEEDS <target>...]): one static library from the .cc files of
# the calling folder (and its sub-folders), and one test program from its *_test.cc files.
include_guard(GLOBAL)

add_library(medaug_warnings INTERFACE)
target_compile_options(medaug_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 warns wrongly about "literal" + std::string at -O3 (GCC bug 105651).
  target_compile_options(medaug_warnings INTERFACE -Wno-restrict)
endif()
if(MEDAUG_WERROR)
  target_compile_options(medaug_warnings INTERFACE -Werror)
endif()
if(MEDAUG_SANITIZE)
  add_compile_options(-fsanitize=${MEDAUG_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${MEDAUG_SANITIZE})
endif()

function(medaug_library)
  cmake_parse_arguments(arg "" "NAME" "NEEDS;TEST_NEEDS;EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  foreach(excluded IN LISTS arg_EXCLUDE)
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${excluded})
  endforeach()
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  add_library(medaug_${arg_NAME} STATIC ${sources})
  target_include_directories(medaug_${arg_NAME} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(medaug_${arg_NAME} PUBLIC ${arg_NEEDS} PRIVATE $<BUILD_INTERFACE:medaug_warnings>)
  if(MEDAUG_TESTS AND tests)
    medaug_test(NAME ${arg_NAME}_test SOURCES ${tests} NEEDS medaug_${arg_NAME} ${arg_TEST_NEEDS})
  endif()
endfunction()

# medaug_test(NAME <program> SOURCES <files> [NEEDS <targets>] [LABEL fast|slow|gpu]): one GoogleTest program, one ctest entry.
# One entry per program: each start of a program that links LibTorch costs 0.2 s.
function(medaug_test)
  cmake_parse_arguments(arg "" "NAME;LABEL" "SOURCES;NEEDS" ${ARGN})
  if(NOT GTest_FOUND)
    return()
  endif()
  if(NOT arg_LABEL)
    set(arg_LABEL fast)
  endif()
  add_executable(${arg_NAME} ${arg_SOURCES})
  target_link_libraries(${arg_NAME} PRIVATE ${arg_NEEDS} medaug_warnings GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${arg_NAME} COMMAND ${arg_NAME})
  set_tests_properties(${arg_NAME} PROPERTIES LABELS ${arg_LABEL}
    ENVIRONMENT "OMP_NUM_THREADS=1;MEDAUG_SHARED=${PROJECT_SOURCE_DIR}/../shared;MEDAUG_SOURCE_DIR=${PROJECT_SOURCE_DIR};MEDAUG_BINARY_DIR=${PROJECT_BINARY_DIR}")
endfunction()
