// SPDX-License-Identifier: MIT
#include <png.h>

#include <algorithm>
#include <bit>
#include <csetjmp>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "base/log.h"
#include "image/codec.h"
#include "image/png_chunks.h"

namespace medaug::internal {
namespace {

struct PngHeader {
  std::int64_t width = 0;
  std::int64_t height = 0;
  int bit_depth = 8;
  int color_type = 0;
  std::string_view palette;       ///< 3 bytes per entry
  std::string_view transparency;  ///< of a palette picture: 1 byte per entry, may be shorter
  bool animated = false;
  int orientation = 1;
  std::string essential;  ///< the file again with only what decoding needs
};

void check_ihdr(const PngHeader& header, int interlace, const DecodeRequest& request) {
  check_size(header.width, header.height, request);
  static const std::map<int, std::vector<int>> kDepths = {
      {0, {1, 2, 4, 8, 16}}, {2, {8, 16}}, {3, {1, 2, 4, 8}}, {4, {8, 16}}, {6, {8, 16}}};
  const auto allowed = kDepths.find(header.color_type);
  if (allowed == kDepths.end()) {
    refuse(request.where, "the PNG has colour type " + std::to_string(header.color_type) +
                              "; 0, 2, 3, 4 and 6 exist");
  }
  bool known = false;
  for (const int depth : allowed->second) {
    known = known || depth == header.bit_depth;
  }
  if (!known) {
    refuse(request.where, "the PNG has bit depth " + std::to_string(header.bit_depth) +
                              ", which colour type " + std::to_string(header.color_type) +
                              " does not allow");
  }
  if (interlace > 1) {
    refuse(request.where,
           "the PNG has interlace method " + std::to_string(interlace) + "; 0 and 1 exist");
  }
}

void read_ihdr(std::string_view data, PngHeader& header, const DecodeRequest& request) {
  header.width = png_u32(data, 0);
  header.height = png_u32(data, 4);
  header.bit_depth = static_cast<unsigned char>(data[8]);
  header.color_type = static_cast<unsigned char>(data[9]);
  check_ihdr(header, static_cast<unsigned char>(data[12]), request);
}

bool is_grey_palette(std::string_view data) {
  for (std::size_t i = 0; i + 2 < data.size(); i += 3) {
    if (data[i] != data[i + 1] || data[i] != data[i + 2]) {
      return false;
    }
  }
  return true;
}

void read_palette(std::string_view data, PngHeader& header, const DecodeRequest& request) {
  if (data.empty() || data.size() % 3 != 0 || data.size() > 768) {
    refuse(request.where,
           "the PNG's palette has " + std::to_string(data.size()) + " bytes, not 3 per colour");
  }
  header.palette = data;
}

void check_transparency(std::string_view data, const PngHeader& header,
                        const DecodeRequest& request) {
  const std::size_t wanted = header.color_type == PNG_COLOR_TYPE_GRAY ? 2 : 6;
  const bool good = header.color_type == PNG_COLOR_TYPE_PALETTE
                        ? !data.empty() && data.size() <= header.palette.size() / 3
                        : data.size() == wanted && header.color_type <= PNG_COLOR_TYPE_RGB;
  if (!good) {
    refuse(request.where, "the PNG's tRNS chunk has " + std::to_string(data.size()) +
                              " bytes, which does not fit");
  }
}

// Text, colour profiles and the like never reach libpng: their inflated size is not bounded by the
// picture's.
PngHeader inspect(const DecodeRequest& request) {
  PngHeader header;
  header.essential.assign(request.bytes.substr(0, 8));
  bool has_data = false;
  for_each_png_chunk(request.bytes, request.where, [&](const PngChunk& chunk) {
    bool keep = chunk.type == "IDAT" || chunk.type == "IEND";
    if (chunk.type == "IHDR") {
      read_ihdr(chunk.data, header, request);
      keep = true;
    } else if (chunk.type == "PLTE") {
      read_palette(chunk.data, header, request);
      keep = header.color_type == PNG_COLOR_TYPE_PALETTE;
    } else if (chunk.type == "tRNS") {
      check_transparency(chunk.data, header, request);
      const bool palette = header.color_type == PNG_COLOR_TYPE_PALETTE;
      header.transparency = palette ? chunk.data : std::string_view{};
      keep = !palette && request.use == Use::kPicture;  // on a label map it says nothing
    } else if (chunk.type == "eXIf") {
      header.orientation = exif_orientation(chunk.data);
    } else if (chunk.type == "acTL") {
      header.animated = true;
    }
    has_data = has_data || chunk.type == "IDAT";
    if (keep) {
      header.essential.append(chunk.whole);
    }
  });
  if (header.color_type == PNG_COLOR_TYPE_PALETTE && header.palette.empty()) {
    refuse(request.where, "the PNG needs a palette (PLTE chunk) and has none");
  }
  if (!has_data) {
    refuse(request.where, "the PNG has no picture data (IDAT chunk)");
  }
  return header;
}

// libpng reports errors by longjmp: everything between `setjmp` and the call must be free of
// destructors.
class PngReader {
 public:
  PngReader(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, &PngReader::fail, &PngReader::warn);
    info_ = png_create_info_struct(png_);
    png_set_read_fn(png_, this, &PngReader::read);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  /// Reads the header and asks for whole bytes: 1, 2, 3 or 4 channels of 8 or 16 bits in native
  /// order.
  void start(const PngHeader& header, Use use) {
    if (setjmp(png_jmpbuf(png_)) != 0) {
      give_up();
    }
    png_read_info(png_, info_);
    if (use == Use::kPicture && header.color_type != PNG_COLOR_TYPE_PALETTE) {
      png_set_expand(png_);
    } else {
      png_set_packing(png_);
    }
    if (std::endian::native == std::endian::little) {
      png_set_swap(png_);
    }
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
  }

  void rows(png_bytepp row_pointers) {
    if (setjmp(png_jmpbuf(png_)) != 0) {
      give_up();
    }
    png_read_image(png_, row_pointers);
    png_read_end(png_, info_);
  }

  int channels() const { return png_get_channels(png_, info_); }
  int bit_depth() const { return png_get_bit_depth(png_, info_); }
  std::size_t row_bytes() const { return png_get_rowbytes(png_, info_); }
  bool will_fill(const Interleaved& buffer) const {
    const auto row = buffer.width * buffer.channels * (buffer.bit_depth / 8);
    return std::cmp_equal(png_get_image_width(png_, info_), buffer.width) &&
           std::cmp_equal(png_get_image_height(png_, info_), buffer.height) &&
           std::cmp_equal(row_bytes(), row);
  }

 private:
  [[noreturn]] void give_up() const {
    refuse(where_, "the PNG is damaged: " + message_, "copy or download it again");
  }
  static void fail(png_structp png, png_const_charp message) {
    static_cast<PngReader*>(png_get_error_ptr(png))->message_ = message;
    png_longjmp(png, 1);
  }
  static void warn(png_structp, png_const_charp) {}
  static void read(png_structp png, png_bytep out, std::size_t count) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > self->bytes_.size() - self->used_) {
      png_error(png, "it ends too early");
    }
    std::memcpy(out, self->bytes_.data() + self->used_, count);
    self->used_ += count;
  }

  std::string_view bytes_;
  const std::string& where_;
  std::size_t used_ = 0;
  std::string message_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

Interleaved read_samples(PngReader& reader, const PngHeader& header, const std::string& where) {
  Interleaved out;
  out.height = header.height;
  out.width = header.width;
  out.channels = reader.channels();
  out.bit_depth = reader.bit_depth() == 16 ? 16 : 8;
  const auto count = static_cast<std::size_t>(out.height * out.width * out.channels);
  // The buffer is as large as our own reading of the header says; libpng must agree with it.
  if (!reader.will_fill(out)) {
    refuse(where, "the PNG is damaged: its headers contradict each other");
  }
  png_bytep base = nullptr;
  if (out.bit_depth == 16) {
    out.samples16.resize(count);
    base = reinterpret_cast<png_bytep>(out.samples16.data());
  } else {
    out.samples8.resize(count);
    base = out.samples8.data();
  }
  std::vector<png_bytep> rows(static_cast<std::size_t>(out.height));
  for (std::size_t y = 0; y < rows.size(); ++y) {
    rows[y] = base + y * reader.row_bytes();
  }
  reader.rows(rows.data());
  return out;
}

// libpng looks at the indices only where it does not expand them, and then only warns.
void check_indices(const Interleaved& samples, const PngHeader& header,
                   const DecodeRequest& request) {
  const std::size_t entries = header.palette.size() / 3;
  const auto largest = *std::max_element(samples.samples8.begin(), samples.samples8.end());
  if (largest >= entries) {
    refuse(request.where, "the PNG uses palette entry " + std::to_string(largest) +
                              " but its palette has only " + std::to_string(entries));
  }
}

Interleaved expand_palette(const Interleaved& indices, const PngHeader& header) {
  Interleaved out{indices.height, indices.width, header.transparency.empty() ? 3 : 4, 8, {}, {}};
  out.samples8.reserve(indices.samples8.size() * static_cast<std::size_t>(out.channels));
  for (const std::size_t index : indices.samples8) {
    for (std::size_t c = 0; c < 3; ++c) {
      out.samples8.push_back(static_cast<std::uint8_t>(header.palette[3 * index + c]));
    }
    if (out.channels == 4) {
      out.samples8.push_back(index < header.transparency.size()
                                 ? static_cast<std::uint8_t>(header.transparency[index])
                                 : 255);
    }
  }
  return out;
}

}  // namespace

Decoded decode_png(const DecodeRequest& request) {
  const PngHeader header = inspect(request);
  if (header.animated) {
    log_warning(request.where + ": an animated PNG; only its first picture is used");
  }
  PngReader reader(header.essential, request.where);
  reader.start(header, request.use);
  const Interleaved samples = read_samples(reader, header, request.where);
  if (header.color_type != PNG_COLOR_TYPE_PALETTE) {
    return {to_planes(samples, request), samples.bit_depth, header.orientation};
  }
  check_indices(samples, header, request);
  if (request.use == Use::kLabels) {
    return {to_planes(samples, request), 8, header.orientation};
  }
  at::Tensor pixels = to_planes(expand_palette(samples, header), request);
  if (is_grey_palette(header.palette)) {
    pixels = pixels.slice(0, 0, 1).contiguous();
  }
  return {pixels, 8, header.orientation};
}

}  // namespace medaug::internal
