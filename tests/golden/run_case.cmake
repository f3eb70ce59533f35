# SPDX-License-Identifier: MIT
# cmake -DRUNNER=golden_runner -DSHARED=folder -DCASE=name -P run_case.cmake: one golden case, or a line with "skipped:".
if(DEFINED ENV{MEDAUG_SHARED} AND NOT "$ENV{MEDAUG_SHARED}" STREQUAL "")
  set(SHARED "$ENV{MEDAUG_SHARED}")
endif()
set(folder "${SHARED}/golden/${CASE}")
if(NOT EXISTS "${folder}/case.json")
  message("skipped: no golden data in ${folder}")
  return()
endif()
execute_process(COMMAND "${RUNNER}" "${folder}" RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "golden_runner ${folder} ended with ${status}")
endif()
