// SPDX-License-Identifier: MIT
#include <cstring>
#include <limits>
#include <mutex>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include "image/codec.h"
#include "image/tiff_header.h"

// TIFF and BMP: the header is checked here, OpenCV decodes.

namespace medaug::internal {
namespace {

constexpr const char* kConvert = "save it as an 8- or 16-bit grey or RGB picture, for example PNG";
constexpr const char* kAgain = "copy or download it again";

cv::Mat decode_with_opencv(const DecodeRequest& request, const char* kind) {
  static std::once_flag once;
  std::call_once(once,
                 [] { cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT); });
  if (request.bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    refuse(request.where, "the file has more than 2 GB");
  }
  const cv::Mat bytes(1, static_cast<int>(request.bytes.size()), CV_8U,
                      const_cast<char*>(request.bytes.data()));  // imdecode only reads it
  cv::Mat out;
  try {
    out = cv::imdecode(bytes, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception&) {
    out.release();
  }
  if (out.empty() || (out.depth() != CV_8U && out.depth() != CV_16U)) {
    refuse(request.where, std::string("the ") + kind + " is damaged or of a kind not read here",
           kConvert);
  }
  return out;
}

// OpenCV orders colours blue, green, red.
template <class T>
void copy_rgb(const cv::Mat& in, std::vector<T>& out) {
  const int channels = in.channels();
  out.resize(in.total() * static_cast<std::size_t>(channels));
  T* to = out.data();
  for (int y = 0; y < in.rows; ++y) {
    const T* row = in.ptr<T>(y);
    for (int x = 0; x < in.cols; ++x, row += channels, to += channels) {
      for (int c = 0; c < channels; ++c) {
        to[c] = row[channels >= 3 && c < 3 ? 2 - c : c];
      }
    }
  }
}

Interleaved interleaved(const cv::Mat& in) {
  Interleaved out;
  out.height = in.rows;
  out.width = in.cols;
  out.channels = in.channels();
  out.bit_depth = in.depth() == CV_16U ? 16 : 8;
  if (out.bit_depth == 16) {
    copy_rgb(in, out.samples16);
  } else {
    copy_rgb(in, out.samples8);
  }
  return out;
}

void make_opaque(Interleaved& rgba) {
  for (std::size_t i = 3; i < rgba.samples8.size(); i += 4) {
    rgba.samples8[i] = 255;
  }
  for (std::size_t i = 3; i < rgba.samples16.size(); i += 4) {
    rgba.samples16[i] = 65535;
  }
}

void check_tiff(const TiffHeader& header, const DecodeRequest& request) {
  const bool bits = header.bits == 1 || header.bits == 8 || header.bits == 16;
  if (header.sample_format != 1 || !bits) {
    const char* kind = header.sample_format == 3   ? "float"
                       : header.sample_format == 2 ? "signed"
                                                   : "unsigned";
    refuse(request.where,
           "the TIFF has " + std::to_string(header.bits) + "-bit " + kind +
               " pixels; 8- and 16-bit unsigned ones are read",
           kConvert);
  }
  const bool known =
      (header.photometric >= 0 && header.photometric <= 3) || header.photometric == 6;
  if (!known || header.samples < 1 || header.samples > 4 ||
      (header.bits == 16 && header.samples > 1 && header.planar != 1)) {
    refuse(request.where, "the TIFF's colours are stored in a way not read here", kConvert);
  }
  if (header.samples == 2 || (header.samples == 4 && request.use == Use::kLabels)) {
    refuse(request.where, "a TIFF with an alpha channel is read only in colour, and not as a mask",
           "save it as PNG");
  }
  if (header.photometric == 3 && request.use == Use::kLabels) {
    refuse(request.where, "a palette TIFF as a mask: its numbers cannot be told from its colours",
           "save the mask as PNG; a palette PNG keeps its numbers");
  }
}

struct BmpHeader {
  std::int64_t pixel_offset, width, height, bits, compression;
  bool alpha;
};

std::int64_t little_endian(std::string_view bytes, std::size_t offset, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = count; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[offset + i]);
  }
  return count == 4 ? std::int64_t{static_cast<std::int32_t>(value)} : std::int64_t{value};
}

BmpHeader read_bmp_header(const DecodeRequest& request) {
  const std::string_view bytes = request.bytes;
  if (bytes.size() < 54 || little_endian(bytes, 14, 4) < 40) {
    refuse(request.where, "the BMP header is cut or of the old OS/2 kind", kConvert);
  }
  const bool wide = little_endian(bytes, 14, 4) >= 56 && bytes.size() >= 70;
  return {little_endian(bytes, 10, 4), little_endian(bytes, 18, 4),
          little_endian(bytes, 22, 4), little_endian(bytes, 28, 2),
          little_endian(bytes, 30, 4), wide && little_endian(bytes, 66, 4) != 0};
}

void check_bmp(const BmpHeader& header, const DecodeRequest& request) {
  const std::int64_t height = header.height < 0 ? -header.height : header.height;
  check_size(header.width, height, request);
  const bool bits = header.bits == 1 || header.bits == 4 || header.bits == 8 || header.bits == 16 ||
                    header.bits == 24 || header.bits == 32;
  if (!bits || (header.compression != 0 && header.compression != 3)) {
    refuse(request.where,
           "a BMP with " + std::to_string(header.bits) + " bits and compression " +
               std::to_string(header.compression) + " is not read here",
           kConvert);
  }
  const std::int64_t row = (header.width * header.bits + 31) / 32 * 4;
  const auto size = static_cast<std::int64_t>(request.bytes.size());
  // Some writers leave out the padding of the last row.
  if (header.pixel_offset < 54 || header.pixel_offset + row * height - 3 > size) {
    refuse(request.where,
           "the BMP is cut: its pixels need " + std::to_string(header.pixel_offset + row * height) +
               " bytes, the file has " + std::to_string(size),
           kAgain);
  }
}

}  // namespace

Decoded decode_tiff(const DecodeRequest& request) {
  const TiffHeader header = read_tiff_header(request);
  check_tiff(header, request);
  DecodeRequest upright = request;
  std::string copy;
  if (header.orientation != 1) {  // OpenCV turns some kinds and not others: it shall turn none
    copy.assign(request.bytes);
    copy[header.orientation_offset] = 1;
    upright.bytes = copy;
  }
  Interleaved picture = interleaved(decode_with_opencv(upright, "TIFF"));
  for (auto& sample : picture.samples16) {
    sample = header.photometric == 0 ? static_cast<std::uint16_t>(65535 - sample) : sample;
  }
  // libtiff has composed 8-bit pictures on black already, and so are those with premultiplied
  // alpha.
  if (picture.channels == 4 && (picture.bit_depth == 8 || header.extra_samples == 1)) {
    make_opaque(picture);
  }
  return {to_planes(picture, request), picture.bit_depth, header.orientation};
}

Decoded decode_bmp(const DecodeRequest& request) {
  const BmpHeader header = read_bmp_header(request);
  check_bmp(header, request);
  Interleaved picture = interleaved(decode_with_opencv(request, "BMP"));
  if (picture.channels == 4 && !header.alpha) {  // the fourth byte is padding
    make_opaque(picture);
  }
  return {to_planes(picture, request), picture.bit_depth, 1};
}

}  // namespace medaug::internal
