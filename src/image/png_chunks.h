// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace medaug::internal {

struct PngChunk {
  std::string_view type;  ///< 4 letters
  std::string_view data;
  std::string_view whole;  ///< length, type, data and checksum
};

/// Walks a PNG from IHDR to IEND and checks structure and every checksum.
/// @throws Error kData naming the chunk: cut, checksum wrong, IEND missing, bytes after IEND
void for_each_png_chunk(std::string_view bytes, const std::string& where,
                        const std::function<void(const PngChunk&)>& visit);

/// Big-endian, 4 bytes.
std::uint32_t png_u32(std::string_view bytes, std::size_t offset);

}  // namespace medaug::internal
