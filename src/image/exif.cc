// SPDX-License-Identifier: MIT
#include <ATen/ops/flip.h>

#include "image/codec.h"

namespace medaug::internal {
namespace {

struct ByteReader {
  std::string_view bytes;
  bool little;

  std::uint32_t at(std::size_t offset, std::size_t count) const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t k = little ? count - 1 - i : i;
      value = value << 8 | static_cast<unsigned char>(bytes[offset + k]);
    }
    return value;
  }
};

}  // namespace

int exif_orientation(std::string_view tiff) {
  if (tiff.size() < 8 || (tiff.substr(0, 2) != "II" && tiff.substr(0, 2) != "MM")) {
    return 1;
  }
  const ByteReader reader{tiff, tiff[0] == 'I'};
  const std::size_t start = reader.at(4, 4);
  if (start > tiff.size() || tiff.size() - start < 2) {
    return 1;
  }
  const std::size_t count = reader.at(start, 2);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t entry = start + 2 + 12 * i;
    if (entry + 12 > tiff.size()) {
      return 1;
    }
    if (reader.at(entry, 2) == 0x0112) {
      const std::uint32_t value = reader.at(entry + 8, 2);
      return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
  }
  return 1;
}

at::Tensor apply_orientation(const at::Tensor& chw, int orientation) {
  switch (orientation) {
    case 2:
      return chw.flip({2});
    case 3:
      return chw.flip({1, 2});
    case 4:
      return chw.flip({1});
    case 5:
      return chw.transpose(1, 2).contiguous();
    case 6:  // the top of the scene is the right side of the stored picture
      return chw.transpose(1, 2).flip({2}).contiguous();
    case 7:
      return chw.transpose(1, 2).flip({1, 2}).contiguous();
    case 8:
      return chw.transpose(1, 2).flip({1}).contiguous();
    default:
      return chw;
  }
}

}  // namespace medaug::internal
