# SPDX-License-Identifier: MIT
# medaug::torch over an unpacked PyTorch wheel (CPU or CUDA). No Python at build or run time.
# In:  MEDAUG_TORCH_DIR (cache or environment): the wheel's folder torch/. Default: the venv in use.
# Out: medaug::torch, MEDAUG_TORCH_VERSION, MEDAUG_TORCH_CUDA, MEDAUG_TORCH_LIB_DIR
include_guard(GLOBAL)
set(MEDAUG_TORCH_DIR "$ENV{MEDAUG_TORCH_DIR}" CACHE PATH "folder torch/ of an unpacked PyTorch wheel")
if(NOT MEDAUG_TORCH_DIR)
  file(GLOB _found LIST_DIRECTORIES true "${PROJECT_SOURCE_DIR}/.venv/lib/python3.*/site-packages/torch"
       "$ENV{VIRTUAL_ENV}/lib/python3.*/site-packages/torch")
  list(APPEND _found "")
  list(GET _found 0 _found)
  set_property(CACHE MEDAUG_TORCH_DIR PROPERTY VALUE "${_found}")
endif()
set(MEDAUG_TORCH_LIB_DIR "${MEDAUG_TORCH_DIR}/lib")
set(_inc "${MEDAUG_TORCH_DIR}/include")
find_file(_ver NAMES torch/headeronly/version.h torch/version.h NO_CACHE NO_DEFAULT_PATH
          PATHS "${_inc}" "${_inc}/torch/csrc/api/include")
if(NOT _ver OR NOT EXISTS "${MEDAUG_TORCH_LIB_DIR}/libtorch_cpu.so")
  message(FATAL_ERROR "No LibTorch in MEDAUG_TORCH_DIR='${MEDAUG_TORCH_DIR}'. Try:\n"
    "  python3 -m venv .venv && .venv/bin/pip install --no-deps torch==2.13.0")
endif()
set(MEDAUG_TORCH_VERSION "")
foreach(_p MAJOR MINOR PATCH)
  file(STRINGS "${_ver}" _v REGEX "define TORCH_VERSION_${_p} ")
  string(REGEX MATCH "[0-9]+" _v "${_v}")
  list(APPEND MEDAUG_TORCH_VERSION "${_v}")
endforeach()
list(JOIN MEDAUG_TORCH_VERSION "." MEDAUG_TORCH_VERSION)
if(MEDAUG_TORCH_VERSION VERSION_LESS 2.11)
  message(FATAL_ERROR "torch ${MEDAUG_TORCH_VERSION} is older than 2.11")
endif()
find_package(Threads REQUIRED)
foreach(_l c10 torch_cpu)
  add_library(medaug_${_l} SHARED IMPORTED GLOBAL)
  set_target_properties(medaug_${_l} PROPERTIES IMPORTED_LOCATION "${MEDAUG_TORCH_LIB_DIR}/lib${_l}.so")
endforeach()
add_library(medaug_torch INTERFACE)
add_library(medaug::torch ALIAS medaug_torch)
target_include_directories(medaug_torch SYSTEM INTERFACE "${_inc}" "${_inc}/torch/csrc/api/include")
target_compile_definitions(medaug_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
target_compile_features(medaug_torch INTERFACE cxx_std_20)
target_link_libraries(medaug_torch INTERFACE medaug_torch_cpu medaug_c10 Threads::Threads)
set(MEDAUG_TORCH_CUDA OFF)
if(EXISTS "${MEDAUG_TORCH_LIB_DIR}/libtorch_cuda.so")
  set(MEDAUG_TORCH_CUDA ON)  # its kernels register in static initialisers: keep it though no symbol is used
  target_link_options(medaug_torch INTERFACE "SHELL:-Wl,--push-state,--no-as-needed \
${MEDAUG_TORCH_LIB_DIR}/libtorch_cuda.so ${MEDAUG_TORCH_LIB_DIR}/libc10_cuda.so -Wl,--pop-state")
endif()
message(STATUS "LibTorch ${MEDAUG_TORCH_VERSION} (CUDA ${MEDAUG_TORCH_CUDA})")
