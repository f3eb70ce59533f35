// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace medaug {

/// SHA-256 (FIPS 180-4) of bytes that come in pieces. Uses the SHA instructions of x86 where there
/// are any. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  void update(std::string_view bytes);
  /// Lower-case hexadecimal digest; the object is used up.
  std::string finish();

 private:
  std::array<std::uint32_t, 8> state_;
  std::array<unsigned char, 64> block_{};
  std::size_t filled_ = 0;
  std::uint64_t length_bytes_ = 0;
};

}  // namespace medaug
