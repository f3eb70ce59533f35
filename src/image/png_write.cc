// SPDX-License-Identifier: MIT
#include <png.h>

#include <algorithm>
#include <bit>
#include <csetjmp>

#include "base/error.h"
#include "base/files.h"
#include "image/codec.h"
#include "image/image.h"
#include "image/png_chunks.h"

namespace medaug {
namespace {

struct Entry {
  std::string key;
  std::string value;
};

bool is_ascii(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 128; });
}

std::vector<png_text> text_chunks(std::vector<Entry>& entries) {
  std::vector<png_text> chunks;
  for (auto& entry : entries) {
    const bool ascii = is_ascii(entry.value);
    png_text chunk{};
    chunk.compression = ascii ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    chunk.key = entry.key.data();
    chunk.text = entry.value.data();
    (ascii ? chunk.text_length : chunk.itxt_length) = entry.value.size();
    chunks.push_back(chunk);
  }
  return chunks;
}

// As in the reader: libpng reports errors by longjmp, so no destructor may stand between.
class PngWriter {
 public:
  PngWriter() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, this, &PngWriter::fail, &PngWriter::warn);
    info_ = png_create_info_struct(png_);
    png_set_write_fn(png_, this, &PngWriter::append, nullptr);
  }
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  void write(const Image& image, std::vector<png_text>& text, png_bytepp rows) {
    if (setjmp(png_jmpbuf(png_)) != 0) {
      throw Error(ErrorCode::kInternal, "png", message_);
    }
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(image.width()),
                 static_cast<png_uint_32>(image.height()), image.bit_depth,
                 image.channels() == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (!text.empty()) {
      png_set_text(png_, info_, text.data(), static_cast<int>(text.size()));
    }
    png_write_info(png_, info_);
    if (image.bit_depth == 16 && std::endian::native == std::endian::little) {
      png_set_swap(png_);
    }
    png_write_image(png_, rows);
    png_write_end(png_, nullptr);
  }

  const std::string& bytes() const { return bytes_; }

 private:
  static void fail(png_structp png, png_const_charp message) {
    static_cast<PngWriter*>(png_get_error_ptr(png))->message_ = message;
    png_longjmp(png, 1);
  }
  static void warn(png_structp, png_const_charp) {}
  static void append(png_structp png, png_bytep data, std::size_t count) {
    static_cast<PngWriter*>(png_get_io_ptr(png))
        ->bytes_.append(reinterpret_cast<const char*>(data), count);
  }

  std::string bytes_;
  std::string message_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

// Rows of interleaved samples, as PNG stores them.
template <class Out, class In>
std::vector<Out> interleave(const at::Tensor& planes) {
  const std::int64_t channels = planes.size(0);
  const std::int64_t pixels = planes.size(1) * planes.size(2);
  const In* in = planes.const_data_ptr<In>();
  std::vector<Out> out(static_cast<std::size_t>(channels * pixels));
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t i = 0; i < pixels; ++i) {
      out[static_cast<std::size_t>(i * channels + c)] = static_cast<Out>(in[c * pixels + i]);
    }
  }
  return out;
}

template <class Sample>
std::string encode(const Image& image, std::vector<Sample> samples, std::vector<Entry> entries) {
  std::vector<png_text> text = text_chunks(entries);
  std::vector<png_bytep> rows;
  const auto stride = static_cast<std::size_t>(image.width() * image.channels());
  for (std::int64_t y = 0; y < image.height(); ++y) {
    rows.push_back(
        reinterpret_cast<png_bytep>(samples.data() + static_cast<std::size_t>(y) * stride));
  }
  PngWriter writer;
  writer.write(image, text, rows.data());
  return writer.bytes();
}

}  // namespace

std::string encode_png(const Image& image, const std::map<std::string, std::string>& text) {
  MEDAUG_ASSERT(image.pixels.dim() == 3 && (image.channels() == 1 || image.channels() == 3));
  std::vector<Entry> entries;
  for (const auto& [key, value] : text) {
    entries.push_back({key, value});
  }
  const at::Tensor planes =
      image.pixels.to(at::kCPU, image.bit_depth == 16 ? at::kInt : at::kByte).contiguous();
  return image.bit_depth == 16
             ? encode(image, interleave<std::uint16_t, std::int32_t>(planes), std::move(entries))
             : encode(image, interleave<std::uint8_t, std::uint8_t>(planes), std::move(entries));
}

void write_png(const std::filesystem::path& path, const Image& image,
               const std::map<std::string, std::string>& text) {
  write_file_atomically(path, encode_png(image, text));
}

std::map<std::string, std::string> read_png_text(const std::filesystem::path& path) {
  return text_of_png(read_file(path, DecodeLimits{}.max_file_bytes, ErrorCode::kData),
                     path.string());
}

std::map<std::string, std::string> text_of_png(std::string_view bytes, const std::string& where) {
  if (internal::detect_format(bytes, where) != internal::Format::kPng) {
    internal::refuse(where, "not a PNG file, so it has no PNG text");
  }
  std::map<std::string, std::string> text;
  internal::for_each_png_chunk(bytes, where, [&](const internal::PngChunk& chunk) {
    const std::size_t end = chunk.data.find('\0');
    if (end == std::string_view::npos) {
      return;
    }
    const std::string key(chunk.data.substr(0, end));
    if (chunk.type == "tEXt") {
      text[key] = chunk.data.substr(end + 1);
    }
    if (chunk.type == "iTXt" && chunk.data.size() > end + 3 && chunk.data[end + 1] == 0) {
      const std::size_t language = chunk.data.find('\0', end + 3);
      const std::size_t keyword =
          language == std::string_view::npos ? language : chunk.data.find('\0', language + 1);
      if (keyword != std::string_view::npos) {
        text[key] = chunk.data.substr(keyword + 1);
      }
    }
  });
  return text;
}

}  // namespace medaug
