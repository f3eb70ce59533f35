// SPDX-License-Identifier: MIT
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <utility>

// clang-format off: jpeglib.h needs <cstdio> before it, jerror.h needs jpeglib.h
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include "image/codec.h"

namespace medaug::internal {
namespace {

constexpr int kMaxScans = 100;  // more is a known way to make a small progressive file slow
constexpr const char* kAgain = "copy or download it again";

struct JpegHeader {
  std::int64_t width = 0;
  std::int64_t height = 0;
  int precision = 8;
  int components = 0;
  int frame = 0;  ///< SOFn marker, 0xC0..0xCF
  int scans = 0;
  int orientation = 1;
};

class MarkerWalk {
 public:
  explicit MarkerWalk(const DecodeRequest& request) : request_(request), bytes_(request.bytes) {}

  JpegHeader run() {
    while (true) {
      const int marker = next_marker();
      if (marker == 0xD9) {
        break;
      }
      if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) {
        continue;
      }
      segment(marker);
    }
    if (header_.frame == 0 || header_.scans == 0) {
      refuse(request_.where, "the JPEG holds no picture (no frame or no scan)", kAgain);
    }
    return header_;
  }

 private:
  int byte(std::size_t offset) const { return static_cast<unsigned char>(bytes_[offset]); }
  int u16(std::size_t offset) const { return byte(offset) << 8 | byte(offset + 1); }

  [[noreturn]] void cut() const {
    refuse(request_.where,
           "the JPEG is cut at byte " + std::to_string(bytes_.size()) + ": no end-of-image marker",
           kAgain);
  }

  // Skips entropy-coded bytes too: there FF is followed by 00 or a restart marker.
  int next_marker() {
    while (offset_ + 1 < bytes_.size()) {
      const bool stuffed = byte(offset_ + 1) == 0x00 || byte(offset_ + 1) == 0xFF;
      if (byte(offset_) == 0xFF && !stuffed) {
        offset_ += 2;
        return byte(offset_ - 1);
      }
      ++offset_;
    }
    cut();
  }

  void segment(int marker) {
    if (offset_ + 2 > bytes_.size()) {
      cut();
    }
    const auto length = static_cast<std::size_t>(u16(offset_));
    if (length < 2 || offset_ + length > bytes_.size()) {
      cut();
    }
    const std::string_view data = bytes_.substr(offset_ + 2, length - 2);
    const bool frame =
        marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame) {
      read_frame(marker, data.size());
    } else if (marker == 0xDA) {
      ++header_.scans;
    } else if (marker == 0xE1 && data.substr(0, 6) == std::string_view("Exif\0\0", 6)) {
      header_.orientation = exif_orientation(data.substr(6));
    }
    offset_ += length;
  }

  void read_frame(int marker, std::size_t size) {
    if (size < 6) {
      cut();
    }
    if (header_.frame != 0) {
      refuse(request_.where, "the JPEG is damaged: it has a second frame header", kAgain);
    }
    header_.frame = marker;
    header_.precision = byte(offset_ + 2);
    header_.height = u16(offset_ + 3);
    header_.width = u16(offset_ + 5);
    header_.components = byte(offset_ + 7);
  }

  const DecodeRequest& request_;
  std::string_view bytes_;
  std::size_t offset_ = 2;
  JpegHeader header_;
};

void check_header(const JpegHeader& header, const DecodeRequest& request) {
  check_size(header.width, header.height, request);
  const char* convert = "save it as an 8-bit grey or RGB JPEG, or as PNG";
  if (header.precision != 8) {
    refuse(request.where, std::to_string(header.precision) + "-bit JPEG is not read here", convert);
  }
  if (header.frame > 0xC2) {
    const bool arithmetic = header.frame >= 0xC9;
    refuse(request.where,
           std::string(arithmetic ? "arithmetic-coded" : "lossless or hierarchical") +
               " JPEG is not read here",
           convert);
  }
  if (header.components != 1 && header.components != 3) {
    refuse(request.where,
           "the JPEG has " + std::to_string(header.components) +
               " components (CMYK or the like); 1 and 3 are read",
           convert);
  }
  if (header.scans > kMaxScans) {
    refuse(request.where,
           "the JPEG has " + std::to_string(header.scans) + " scans; the limit is " +
               std::to_string(kMaxScans),
           convert);
  }
}

struct ErrorManager {
  jpeg_error_mgr base;  // first: libjpeg hands it back by this address
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

void fail(j_common_ptr state) {
  auto* errors = reinterpret_cast<ErrorManager*>(state->err);
  errors->base.format_message(state, errors->message);
  std::longjmp(errors->jump, 1);
}

// libjpeg only warns of damage inside the scan and fills in grey; a data set must not contain such
// pictures.
void warn(j_common_ptr state, int level) {
  const int code = state->err->msg_code;
  const bool harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM ||
                        code == JWRN_JFIF_MAJOR || code == JWRN_BOGUS_PROGRESSION;
  if (level < 0 && !harmless) {
    fail(state);
  }
}

class JpegReader {
 public:
  explicit JpegReader(const DecodeRequest& request) : request_(request) {
    state_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = fail;
    errors_.base.emit_message = warn;
    jpeg_create_decompress(&state_);
  }
  ~JpegReader() { jpeg_destroy_decompress(&state_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  void start(int components) {
    if (setjmp(errors_.jump) != 0) {
      give_up();
    }
    jpeg_mem_src(&state_, reinterpret_cast<const unsigned char*>(request_.bytes.data()),
                 request_.bytes.size());
    jpeg_read_header(&state_, TRUE);
    state_.out_color_space = components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(&state_);
  }

  /// Whether what libjpeg will write is what our own reading of the header expects.
  bool agrees_with(const JpegHeader& header) const {
    return std::cmp_equal(state_.output_width, header.width) &&
           std::cmp_equal(state_.output_height, header.height) &&
           state_.output_components == header.components;
  }

  void rows(JSAMPLE* out, std::size_t stride) {
    if (setjmp(errors_.jump) != 0) {
      give_up();
    }
    while (state_.output_scanline < state_.output_height) {
      JSAMPROW row = out + state_.output_scanline * stride;
      jpeg_read_scanlines(&state_, &row, 1);
    }
    jpeg_finish_decompress(&state_);
  }

 private:
  [[noreturn]] void give_up() const {
    refuse(request_.where, std::string("the JPEG is damaged: ") + errors_.message, kAgain);
  }

  const DecodeRequest& request_;
  jpeg_decompress_struct state_{};
  ErrorManager errors_{};
};

}  // namespace

Decoded decode_jpeg(const DecodeRequest& request) {
  const JpegHeader header = MarkerWalk(request).run();
  check_header(header, request);
  JpegReader reader(request);
  reader.start(header.components);
  if (!reader.agrees_with(header)) {
    refuse(request.where, "the JPEG is damaged: its headers contradict each other", kAgain);
  }
  Interleaved picture;
  picture.height = header.height;
  picture.width = header.width;
  picture.channels = header.components;
  const auto stride = static_cast<std::size_t>(header.width * header.components);
  picture.samples8.resize(stride * static_cast<std::size_t>(header.height));
  reader.rows(picture.samples8.data(), stride);
  return {to_planes(picture, request), 8, header.orientation};
}

}  // namespace medaug::internal
