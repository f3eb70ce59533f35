// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <opencv2/imgcodecs.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "image/image.h"

// Good and damaged picture files for tests, built byte by byte.

namespace medaug::testing {

/// A folder that is removed with its content.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "medaug_test_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary).write(bytes.data(), std::ssize(bytes));
    return file;
  }

 private:
  std::filesystem::path path_;
};

inline std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16 & 255),
          static_cast<char>(value >> 8 & 255), static_cast<char>(value & 255)};
}

inline std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int v : values) {
    out += static_cast<char>(v);
  }
  return out;
}

inline std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto crc =
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + body +
         big_endian(static_cast<std::uint32_t>(crc));
}

inline std::string deflated(const std::string& data) {
  uLongf size = compressBound(static_cast<uLong>(data.size()));
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(data.data()),
           static_cast<uLong>(data.size()));
  out.resize(size);
  return out;
}

struct PngParts {
  std::uint32_t width = 2;
  std::uint32_t height = 2;
  int bit_depth = 8;
  int color_type = 0;
  int interlace = 0;
  std::string before = "";                  ///< chunks between IHDR and IDAT
  std::string rows = std::string(6, '\0');  ///< filter byte and samples of each row
  std::string end = png_chunk("IEND", "");
};

inline const std::string kPngSignature = "\x89PNG\r\n\x1A\n";

inline std::string png_header(const PngParts& p) {
  return kPngSignature +
         png_chunk("IHDR", big_endian(p.width) + big_endian(p.height) +
                               bytes({p.bit_depth, p.color_type, 0, 0, p.interlace}));
}

inline std::string png(const PngParts& p) {
  return png_header(p) + p.before + png_chunk("IDAT", deflated(p.rows)) + p.end;
}

/// (C, H, W) uint8 or int32 from row-major numbers.
inline at::Tensor levels(std::int64_t channels, std::int64_t height, std::int64_t width,
                         const std::vector<int>& values, at::ScalarType kind = at::kByte) {
  at::Tensor out = at::empty({channels, height, width}, at::kInt);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<std::int32_t>());
  return out.to(kind);
}

inline std::vector<int> numbers(const at::Tensor& t) {
  const at::Tensor in = t.to(at::kInt).contiguous();
  const auto* v = in.const_data_ptr<std::int32_t>();
  return {v, v + in.numel()};
}

/// A smooth colour picture as JPEG (or another kind by its ending).
inline std::string encoded(const std::string& ending, int width, int height, int channels = 3,
                           const std::vector<int>& parameters = {}) {
  cv::Mat picture(height, width, channels == 3 ? CV_8UC3 : CV_8UC1);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width * channels; ++x) {
      picture.ptr(y)[x] = static_cast<unsigned char>((3 * x + 5 * y) % 256);
    }
  }
  std::vector<unsigned char> out;
  cv::imencode(ending, picture, out, parameters);
  return {out.begin(), out.end()};
}

inline std::string little16(int value) { return bytes({value & 255, value >> 8 & 255}); }
inline std::string little32(std::int64_t value) {
  return little16(static_cast<int>(value & 65535)) +
         little16(static_cast<int>(value >> 16 & 65535));
}

/// An EXIF block with nothing but an orientation.
inline std::string exif_block(int orientation) {
  return std::string("II*\0", 4) + little32(8) + little16(1) + little16(0x0112) + little16(3) +
         little32(1) + little32(orientation) + little32(0);
}

/// The JPEG with an APP1 segment behind its start marker.
inline std::string with_exif(const std::string& jpeg, int orientation) {
  const std::string body = std::string("Exif\0\0", 6) + exif_block(orientation);
  const auto size = static_cast<int>(body.size() + 2);
  return jpeg.substr(0, 2) + bytes({0xFF, 0xE1, size >> 8, size & 255}) + body + jpeg.substr(2);
}

struct TiffEntry {
  int tag;
  int type;  ///< 3 short, 4 long
  std::int64_t value;
};

/// One directory and the pixels behind it; the strip's offset is filled in.
inline std::string tiff(std::vector<TiffEntry> entries, const std::string& pixels,
                        std::int64_t next_directory = 0) {
  const auto data_at = static_cast<std::int64_t>(8 + 2 + 12 * (entries.size() + 2) + 4);
  entries.push_back({273, 4, data_at});
  entries.push_back({279, 4, std::ssize(pixels)});
  std::sort(entries.begin(), entries.end(),
            [](const TiffEntry& a, const TiffEntry& b) { return a.tag < b.tag; });
  std::string out =
      std::string("II*\0", 4) + little32(8) + little16(static_cast<int>(entries.size()));
  for (const auto& e : entries) {
    out += little16(e.tag) + little16(e.type) + little32(1) + little32(e.value);
  }
  return out + little32(next_directory) + pixels;
}

/// Entries of an uncompressed grey picture.
inline std::vector<TiffEntry> tiff_grey(int width, int height, int bits, int format = 1) {
  return {{256, 3, width}, {257, 3, height}, {258, 3, bits},   {259, 3, 1},
          {262, 3, 1},     {277, 3, 1},      {278, 3, height}, {339, 3, format}};
}

/// The text with one byte replaced.
inline std::string changed(std::string text, std::size_t at, char value) {
  text[at] = value;
  return text;
}

/// The first bytes of a DICOM file.
inline std::string dicom() { return std::string(128, '\0') + "DICM" + std::string(40, '\2'); }

}  // namespace medaug::testing
