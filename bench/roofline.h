// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace medaug {

struct Roofline {
  int threads = 0;
  double bf16_flops = 0.0;          ///< per second, products of 2048 x 2048
  double float_flops = 0.0;         ///< likewise
  double bytes_per_second = 0.0;    ///< memory, two reads and a write
  double fresh_page_seconds = 0.0;  ///< writing a 4 KiB page for the first time
  double used_page_seconds = 0.0;   ///< and again
};

Roofline measure_roofline();

/// Of this process so far.
std::int64_t minor_faults();
double peak_memory_bytes();

}  // namespace medaug
