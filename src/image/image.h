// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace medaug {

/// A decoded picture: the stored grey levels, orientation already applied, alpha composed on black.
struct Image {
  at::Tensor pixels;    ///< (C, H, W), C = 1 or 3 (RGB), uint8 or int32 (16-bit levels 0..65535)
  int bit_depth = 8;    ///< 8 or 16
  int orientation = 1;  ///< EXIF, 1..8; already applied to `pixels`, kept for messages

  std::int64_t channels() const { return pixels.size(0); }
  std::int64_t height() const { return pixels.size(1); }
  std::int64_t width() const { return pixels.size(2); }
};

/// Limits that stop decompression bombs before anything is decoded.
struct DecodeLimits {
  std::int64_t max_pixels = 100'000'000;
  std::int64_t max_file_bytes = 512LL << 20;
};

/// Reads PNG, JPEG, TIFF or BMP. EXIF orientation is applied; palettes are expanded to RGB (to grey
/// when all entries are grey); metadata is dropped.
/// @throws Error kData naming the file: missing, not regular, not an image, damaged or cut, over
/// the limits
Image read_image(const std::filesystem::path& path, const DecodeLimits& limits = {});
/// The same from bytes in memory. @param where  what messages call them
Image decode_image(std::string_view bytes, const std::string& where,
                   const DecodeLimits& limits = {});

/// Stored labels or colours of a mask file: (1, H, W) int32 labels (grey level or palette index),
/// or (3, H, W) uint8 colours. EXIF orientation is applied as for images.
at::Tensor read_mask_levels(const std::filesystem::path& path, const DecodeLimits& limits = {});
at::Tensor decode_mask_levels(std::string_view bytes, const std::string& where,
                              const DecodeLimits& limits = {});
/// Opacity of a PNG in memory, (H, W) bool: whether a pixel is at least half opaque. Undefined when
/// all of it is. @throws Error kData
at::Tensor decode_opacity(std::string_view bytes, const std::string& where,
                          const DecodeLimits& limits = {});

/// Writes a PNG (8 or 16 bit, grey or RGB) with tEXt/iTXt key-value pairs, atomically (temporary
/// name, fsync, rename).
void write_png(const std::filesystem::path& path, const Image& image,
               const std::map<std::string, std::string>& text = {});
/// The bytes of such a file.
std::string encode_png(const Image& image, const std::map<std::string, std::string>& text = {});
/// The text chunks of a PNG; empty when it has none.
std::map<std::string, std::string> read_png_text(const std::filesystem::path& path);
std::map<std::string, std::string> text_of_png(std::string_view bytes, const std::string& where);

/// (C, H, W) float32 in [-1, 1] from stored levels and back (clamped, rounded to nearest).
at::Tensor to_unit_range(const Image& image);
Image from_unit_range(const at::Tensor& chw, int bit_depth);

}  // namespace medaug
