// SPDX-License-Identifier: MIT
#include "image/image.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/round.h>

#include "base/ascii.h"
#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "image/codec.h"

namespace medaug {
namespace {

using internal::Decoded;
using internal::DecodeRequest;
using internal::Format;
using internal::Use;

std::string name_for_messages(const std::filesystem::path& path) {
  return printable(path.string(), 400);
}

Decoded decode(const DecodeRequest& request, Format format) {
  switch (format) {
    case Format::kPng:
      return internal::decode_png(request);
    case Format::kJpeg:
      return internal::decode_jpeg(request);
    case Format::kTiff:
      return internal::decode_tiff(request);
    case Format::kBmp:
      return internal::decode_bmp(request);
  }
  MEDAUG_ASSERT(false);
}

// A label map that went through JPEG has lost its numbers, and a wrong ending is how such a file
// usually shows.
void refuse_lossy_name(const std::filesystem::path& path) {
  const std::string where = name_for_messages(path);
  const auto ending = ascii_lower(path.extension().string());
  if (ending == ".jpg" || ending == ".jpeg") {
    internal::refuse(where, "the mask is named " + ending + " but is no JPEG file inside",
                     "rename it to what it is (.png, .tif or .bmp)");
  }
}

}  // namespace

Image read_image(const std::filesystem::path& path, const DecodeLimits& limits) {
  return decode_image(read_file(path, limits.max_file_bytes, ErrorCode::kData),
                      name_for_messages(path), limits);
}

Image decode_image(std::string_view bytes, const std::string& where, const DecodeLimits& limits) {
  const DecodeRequest request{bytes, where, limits, Use::kPicture};
  const Decoded decoded = decode(request, internal::detect_format(bytes, request.where));
  return Image{internal::apply_orientation(decoded.pixels, decoded.orientation), decoded.bit_depth,
               decoded.orientation};
}

at::Tensor read_mask_levels(const std::filesystem::path& path, const DecodeLimits& limits) {
  const std::string bytes = read_file(path, limits.max_file_bytes, ErrorCode::kData);
  auto levels = decode_mask_levels(bytes, name_for_messages(path), limits);
  refuse_lossy_name(path);
  return levels;
}

at::Tensor decode_mask_levels(std::string_view bytes, const std::string& where,
                              const DecodeLimits& limits) {
  const DecodeRequest request{bytes, where, limits, Use::kLabels};
  const Format format = internal::detect_format(bytes, where);
  if (format == Format::kJpeg) {
    internal::refuse(where, "a JPEG file cannot hold a mask: its edges are not exact labels",
                     "save the mask as PNG from its source");
  }
  const Decoded decoded = decode(request, format);
  const bool colours = decoded.pixels.size(0) == 3;
  if (colours && decoded.bit_depth != 8) {
    internal::refuse(request.where, "a mask painted in 16-bit colours",
                     "save it as an 8-bit RGB or as a one-channel label map");
  }
  const at::Tensor levels = internal::apply_orientation(decoded.pixels, decoded.orientation);
  return colours ? levels : levels.to(at::kInt);
}

at::Tensor decode_opacity(std::string_view bytes, const std::string& where,
                          const DecodeLimits& limits) {
  const DecodeRequest request{bytes, where, limits, Use::kAlpha};
  const Format format = internal::detect_format(bytes, where);
  if (format != Format::kPng) {
    internal::refuse(where, "only a PNG file has opacity", "save it as PNG");
  }
  const Decoded decoded = decode(request, format);
  const auto opaque =
      decoded.pixels[0].to(at::kInt).mul(2).ge(decoded.bit_depth == 16 ? 65535 : 255);
  return opaque.all().item<bool>() ? at::Tensor() : opaque;
}

at::Tensor to_unit_range(const Image& image) {
  const double top = image.bit_depth == 16 ? 65535.0 : 255.0;
  return image.pixels.to(at::kFloat).mul_(2.0 / top).sub_(1.0);
}

Image from_unit_range(const at::Tensor& chw, int bit_depth) {
  const double top = bit_depth == 16 ? 65535.0 : 255.0;
  const at::Tensor levels =
      ((chw.detach().to(at::kCPU, at::kFloat) + 1.0) * (top / 2.0)).round_().clamp_(0.0, top);
  return Image{levels.to(bit_depth == 16 ? at::kInt : at::kByte).contiguous(), bit_depth};
}

}  // namespace medaug
