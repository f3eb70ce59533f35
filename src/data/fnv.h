// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

namespace medaug {

/// Where hashes of data begin. Those that stand in runs hang on it.
inline constexpr std::uint64_t kFnvStart = 1469598103934665603ULL;

/// FNV-1a of 64 bits (Fowler, Noll, Vo): `hash` with more bytes behind it.
inline std::uint64_t fnv(std::uint64_t hash, const void* data, std::size_t bytes) {
  const auto* p = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < bytes; ++i) {
    hash = (hash ^ p[i]) * 1099511628211ULL;
  }
  return hash;
}

}  // namespace medaug
