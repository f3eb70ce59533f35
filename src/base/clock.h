// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

namespace medaug {

/// Monotonic time in seconds; only differences mean something.
inline double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace medaug
