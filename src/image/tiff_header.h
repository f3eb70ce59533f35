// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "image/codec.h"

namespace medaug::internal {

/// The tags of a TIFF's one page that decide whether and how it is decoded.
struct TiffHeader {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::int64_t bits = 1;
  std::int64_t samples = 1;
  std::int64_t sample_format = 1;  ///< 1 unsigned, 2 signed, 3 float
  std::int64_t photometric = -1;   ///< 0 white is zero, 1 black is zero, 2 RGB, 3 palette, 6 YCbCr
  std::int64_t compression = 1;
  std::int64_t planar = 1;
  std::int64_t extra_samples = 0;  ///< what the fourth (second) sample is: 1 premultiplied, 2 alpha
  int orientation = 1;
  std::size_t orientation_offset =
      0;  ///< of its value's low byte in the file; 0 = the tag is absent
};

/// Reads the directories and checks that they are finite, hold one page and point inside the file.
/// @throws Error kData
TiffHeader read_tiff_header(const DecodeRequest& request);

}  // namespace medaug::internal
