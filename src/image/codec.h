// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "image/image.h"

// One decoder per file format, over bytes in memory. All of them check the header against the
// limits before they allocate, and refuse what they cannot decode in full with Error kData.

namespace medaug::internal {

enum class Format { kPng, kJpeg, kTiff, kBmp };

/// A picture wants colours (palettes expanded, alpha composed on black); labels want the stored
/// numbers; alpha is one plane, opaque where the file has none.
enum class Use { kPicture, kLabels, kAlpha };

struct DecodeRequest {
  std::string_view bytes;
  std::string where;  ///< the file's name, for messages
  DecodeLimits limits;
  Use use = Use::kPicture;
};

struct Decoded {
  at::Tensor pixels;  ///< (C, H, W), C = 1 or 3, uint8 or int32
  int bit_depth = 8;
  int orientation = 1;  ///< EXIF, 1..8; not yet applied
};

/// By the first bytes, never by the name. @throws Error kData that names what the file is instead,
/// with a hint
Format detect_format(std::string_view bytes, const std::string& where);

Decoded decode_png(const DecodeRequest& request);
Decoded decode_jpeg(const DecodeRequest& request);
Decoded decode_tiff(const DecodeRequest& request);
Decoded decode_bmp(const DecodeRequest& request);

/// Orientation (1..8) of a TIFF-structured EXIF block; 1 when it has none or is damaged.
int exif_orientation(std::string_view tiff);
/// (C, H, W) turned as orientation 1..8 says.
at::Tensor apply_orientation(const at::Tensor& chw, int orientation);

/// @throws Error kData when a side is 0 or the picture has more pixels than the limit
void check_size(std::int64_t width, std::int64_t height, const DecodeRequest& request);
[[noreturn]] void refuse(const std::string& where, std::string_view message,
                         std::string_view hint = {});

/// What a decoder left in memory: rows of `channels` interleaved samples (grey, grey + alpha, RGB
/// or RGBA).
struct Interleaved {
  std::int64_t height = 0;
  std::int64_t width = 0;
  int channels = 1;
  int bit_depth = 8;
  std::vector<std::uint8_t> samples8;    ///< when bit_depth is 8
  std::vector<std::uint16_t> samples16;  ///< when bit_depth is 16
};

/// (C, H, W) without alpha: composed on black for a picture; for labels a pixel less than half
/// opaque is background.
at::Tensor to_planes(const Interleaved& picture, const DecodeRequest& request);

}  // namespace medaug::internal
