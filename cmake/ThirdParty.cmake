# SPDX-License-Identifier: MIT
# What the full build needs beyond LibTorch. Each target is SYSTEM, so that our warnings stop at our own code.
include_guard(GLOBAL)
find_package(yaml-cpp REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(sentencepiece REQUIRED IMPORTED_TARGET sentencepiece)
find_path(MEDAUG_CLI11_INCLUDE CLI/CLI.hpp REQUIRED)

# OpenCVConfig.cmake is not in Debian's small packages.
add_library(medaug_opencv INTERFACE)
find_path(MEDAUG_OPENCV_INCLUDE opencv2/imgcodecs.hpp PATH_SUFFIXES opencv4 REQUIRED)
target_include_directories(medaug_opencv SYSTEM INTERFACE ${MEDAUG_OPENCV_INCLUDE})
foreach(lib imgcodecs imgproc core)
  find_library(MEDAUG_OPENCV_${lib} opencv_${lib} REQUIRED)
  target_link_libraries(medaug_opencv INTERFACE ${MEDAUG_OPENCV_${lib}})
endforeach()

# Draws the charts of the evaluation report; goes into the program as it is.
find_file(MEDAUG_CHART_JS chart.min.js PATHS /usr/share/javascript/chart.js REQUIRED
  DOC "Chart.js 3.9, the minified build for browsers")

# Of `medaug serve`: the HTTP server (Beast, headers only), the history, archives, compressed page.
find_package(Boost 1.74 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(libzip REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(libqrencode REQUIRED IMPORTED_TARGET libqrencode)
