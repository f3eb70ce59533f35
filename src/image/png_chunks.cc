// SPDX-License-Identifier: MIT
#include "image/png_chunks.h"

#include <zlib.h>

#include "base/strings.h"
#include "image/codec.h"

namespace medaug::internal {
namespace {

constexpr std::size_t kSignatureBytes = 8;
constexpr std::size_t kOverhead = 12;  // length, type, checksum
constexpr const char* kAgain = "copy or download it again";

PngChunk chunk_at(std::string_view bytes, std::size_t offset, const std::string& where) {
  const std::size_t left = bytes.size() - offset;
  if (left < kOverhead) {
    refuse(where, "the PNG is cut at byte " + std::to_string(bytes.size()) + ": no IEND chunk",
           kAgain);
  }
  const std::size_t length = png_u32(bytes, offset);
  const std::string_view type = bytes.substr(offset + 4, 4);
  const std::string name = printable(type);
  if (length > left - kOverhead) {
    refuse(where,
           "the PNG is cut: chunk " + name + " at byte " + std::to_string(offset) + " claims " +
               std::to_string(length) + " bytes, " + std::to_string(left - kOverhead) + " are left",
           kAgain);
  }
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(bytes.data() + offset + 4),
                         static_cast<uInt>(length + 4));
  if (crc != png_u32(bytes, offset + 8 + length)) {
    refuse(where,
           "the PNG is damaged: checksum of chunk " + name + " at byte " + std::to_string(offset) +
               " is wrong",
           kAgain);
  }
  return {type, bytes.substr(offset + 8, length), bytes.substr(offset, length + kOverhead)};
}

}  // namespace

std::uint32_t png_u32(std::string_view bytes, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[offset + i]);
  }
  return value;
}

void for_each_png_chunk(std::string_view bytes, const std::string& where,
                        const std::function<void(const PngChunk&)>& visit) {
  std::size_t offset = kSignatureBytes;
  bool first = true;
  while (true) {
    const PngChunk chunk = chunk_at(bytes, offset, where);
    if (first && (chunk.type != "IHDR" || chunk.data.size() != 13)) {
      refuse(where, "the PNG is damaged: it does not begin with an IHDR chunk of 13 bytes", kAgain);
    }
    if (!first && chunk.type == "IHDR") {
      refuse(where, "the PNG is damaged: it has a second IHDR chunk", kAgain);
    }
    first = false;
    visit(chunk);
    offset += chunk.whole.size();
    if (chunk.type == "IEND") {
      break;
    }
  }
  if (offset != bytes.size()) {
    refuse(where, std::to_string(bytes.size() - offset) + " bytes follow the end of the PNG (IEND)",
           "another file may be hidden or glued there: save the picture again");
  }
}

}  // namespace medaug::internal
