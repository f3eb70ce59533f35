// SPDX-License-Identifier: MIT
#include "image/codec.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <type_traits>

#include "base/ascii.h"
#include "base/error.h"

namespace medaug::internal {
namespace {

struct Signature {
  std::string_view bytes;
  std::size_t offset;
  const char* name;
  const char* hint;
};

using namespace std::string_view_literals;

constexpr const char* kDicomHint =
    "convert it to PNG first, and mind that a DICOM header names the patient";
constexpr const char* kConvert = "convert it to PNG, JPEG, TIFF or BMP";

constexpr std::array<Signature, 22> kOthers{{
    {"DICM"sv, 128, "a DICOM file", kDicomHint},
    {"\x08\x00\x05\x00"sv, 0, "a DICOM file", kDicomHint},
    {"\x08\x00\x00\x00"sv, 0, "a DICOM file", kDicomHint},
    {"GIF8"sv, 0, "a GIF file", kConvert},
    {"WEBP"sv, 8, "a WebP file", kConvert},
    {"\0\0\0\x0CjP  "sv, 0, "a JPEG 2000 file", kConvert},
    {"\xFF\x4F\xFF\x51"sv, 0, "a JPEG 2000 file", kConvert},
    {"ftyphei"sv, 4, "a HEIF file", kConvert},
    {"ftypavif"sv, 4, "an AVIF file", kConvert},
    {"II+\0"sv, 0, "a BigTIFF file", "save it as classic TIFF or PNG"},
    {"MM\0+"sv, 0, "a BigTIFF file", "save it as classic TIFF or PNG"},
    {"\x1F\x8B"sv, 0, "a gzip file (NIfTI?)", "extract slices as PNG first"},
    {"n+1\0"sv, 344, "a NIfTI file", "extract slices as PNG first"},
    {"n+2\0"sv, 4, "a NIfTI file", "extract slices as PNG first"},
    {"\x93NUMPY"sv, 0, "a NumPy array", kConvert},
    {"\x89HDF"sv, 0, "an HDF5 file", kConvert},
    {"PK\x03\x04"sv, 0, "a ZIP archive", "unpack it first"},
    {"%PDF"sv, 0, "a PDF file", kConvert},
    {"version https://git-lfs"sv, 0, "a Git LFS pointer, not the picture itself",
     "run 'git lfs pull' in the data set's folder"},
    {"8BPS"sv, 0, "a Photoshop file", kConvert},
    {"P5"sv, 0, "a PGM file", kConvert},
    {"P6"sv, 0, "a PPM file", kConvert},
}};

bool has(std::string_view bytes, std::string_view signature, std::size_t offset = 0) {
  return bytes.size() >= offset + signature.size() &&
         bytes.substr(offset, signature.size()) == signature;
}

bool is_text(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u >= 32 || u == '\n' || u == '\r' || u == '\t';
  });
}

bool contains_tag(std::string_view bytes, std::string_view tag) {
  return ascii_lower(bytes).find(tag) != std::string::npos;
}

[[noreturn]] void refuse_unknown(std::string_view bytes, const std::string& where) {
  for (const auto& other : kOthers) {
    if (has(bytes, other.bytes, other.offset)) {
      refuse(where, std::string("this is ") + other.name + ", which is not read here", other.hint);
    }
  }
  const std::string_view head = bytes.substr(0, 512);
  if (contains_tag(head, "<svg")) {
    refuse(where, "this is an SVG drawing, not a picture of pixels", "export it as PNG");
  }
  if (contains_tag(head, "<html") || contains_tag(head, "<!doctype")) {
    refuse(where, "this is an HTML page, not an image",
           "the download probably failed: fetch the file again");
  }
  if (bytes.size() < 8) {
    refuse(
        where,
        "not a PNG, JPEG, TIFF or BMP file: it has only " + std::to_string(bytes.size()) + " bytes",
        "copy or download it again");
  }
  if (is_text(head)) {
    refuse(where, "this is a text file, not an image");
  }
  refuse(where, "not a PNG, JPEG, TIFF or BMP file (unknown first bytes)", kConvert);
}

}  // namespace

void refuse(const std::string& where, std::string_view message, std::string_view hint) {
  throw Error(ErrorCode::kData, where, message, hint);
}

Format detect_format(std::string_view bytes, const std::string& where) {
  if (bytes.empty()) {
    refuse(where, "the file is empty (0 bytes)", "copy or download it again");
  }
  if (has(bytes, "DICM"sv, 128)) {
    refuse_unknown(bytes, where);  // its preamble may look like a TIFF
  }
  if (has(bytes, "\x89PNG\r\n\x1A\n"sv)) {
    return Format::kPng;
  }
  if (has(bytes, "\xFF\xD8\xFF"sv)) {
    return Format::kJpeg;
  }
  if (has(bytes, "II*\0"sv) || has(bytes, "MM\0*"sv)) {
    return Format::kTiff;
  }
  if (has(bytes, "BM"sv) && bytes.size() >= 26 && !is_text(bytes.substr(0, 26))) {
    return Format::kBmp;
  }
  if (has(bytes, "\x89PNG"sv)) {
    refuse(where, "the PNG signature is damaged",
           "the file was probably copied in text mode: copy it again");
  }
  refuse_unknown(bytes, where);
}

void check_size(std::int64_t width, std::int64_t height, const DecodeRequest& request) {
  if (width <= 0 || height <= 0) {
    refuse(request.where,
           "the picture has a side of 0 pixels (" + std::to_string(width) + " x " +
               std::to_string(height) + ")",
           "save the picture again");
  }
  if (width > request.limits.max_pixels / height) {
    refuse(request.where,
           "the picture claims " + std::to_string(width) + " x " + std::to_string(height) +
               " pixels; the limit is " + std::to_string(request.limits.max_pixels) + " in all",
           "scale it down before use");
  }
}

namespace {

template <class T>
struct PlaneWriter {
  const T* in;
  std::int64_t pixels;
  int channels;
  std::int64_t top;  // largest level

  bool has_alpha() const { return channels == 2 || channels == 4; }
  int planes(Use use) const { return use == Use::kAlpha ? 1 : colours(); }
  int colours() const { return has_alpha() ? channels - 1 : channels; }

  template <class Out>
  void write(Out* out, Use use) const {
    for (int c = 0; c < planes(use); ++c) {
      Out* plane = out + c * pixels;
      for (std::int64_t i = 0; i < pixels; ++i) {
        plane[i] = static_cast<Out>(level(i, c, use));
      }
    }
  }

  std::int64_t level(std::int64_t pixel, int channel, Use use) const {
    const T* p = in + pixel * channels;
    const std::int64_t value = p[channel];
    if (!has_alpha()) {
      return use == Use::kAlpha ? top : value;
    }
    const std::int64_t alpha = p[channels - 1];
    if (use == Use::kAlpha) {
      return alpha;
    }
    if (use == Use::kLabels) {
      return 2 * alpha >= top ? value : 0;
    }
    return (value * alpha + top / 2) / top;
  }

  // A mask drawn only in the alpha channel would read as empty.
  bool only_in_alpha() const {
    if (!has_alpha()) {
      return false;
    }
    bool varies = false;
    for (std::int64_t i = 0; i < pixels; ++i) {
      const T* p = in + i * channels;
      if (std::any_of(p, p + colours(), [](T v) { return v != 0; })) {
        return false;
      }
      varies = varies || (2 * p[channels - 1] >= top) != (2 * in[channels - 1] >= top);
    }
    return varies;
  }
};

template <class T, class Out>
at::Tensor planes(const std::vector<T>& samples, const Interleaved& picture,
                  const DecodeRequest& request) {
  const PlaneWriter<T> writer{samples.data(), picture.height * picture.width, picture.channels,
                              std::is_same_v<T, std::uint8_t> ? 255 : 65535};
  if (request.use == Use::kLabels && writer.only_in_alpha()) {
    refuse(request.where, "the mask is drawn in the alpha channel only; all its colours are black",
           "save it with the classes as grey levels or colours");
  }
  const auto kind = std::is_same_v<Out, std::uint8_t> ? at::kByte : at::kInt;
  at::Tensor out = at::empty({writer.planes(request.use), picture.height, picture.width}, kind);
  writer.write(out.mutable_data_ptr<Out>(), request.use);
  return out;
}

}  // namespace

at::Tensor to_planes(const Interleaved& picture, const DecodeRequest& request) {
  return picture.bit_depth == 16
             ? planes<std::uint16_t, std::int32_t>(picture.samples16, picture, request)
             : planes<std::uint8_t, std::uint8_t>(picture.samples8, picture, request);
}

}  // namespace medaug::internal
