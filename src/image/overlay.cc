// SPDX-License-Identifier: MIT
#include "image/overlay.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <opencv2/imgproc.hpp>

#include "base/error.h"

namespace medaug {
namespace {

constexpr double kFontScale = 0.36;
constexpr int kLineHeight = 14;
constexpr int kMaxLines = 3;
constexpr int kGap = 6;
const cv::Scalar kGround(24, 24, 24);
const cv::Scalar kInk(225, 225, 225);

cv::Mat to_mat(const Image& rgb) {
  cv::Mat mat(static_cast<int>(rgb.height()), static_cast<int>(rgb.width()), CV_8UC3);
  const auto* in = rgb.pixels.const_data_ptr<std::uint8_t>();
  const std::int64_t pixels = rgb.height() * rgb.width();
  for (std::int64_t i = 0; i < pixels; ++i) {
    for (std::int64_t c = 0; c < 3; ++c) {
      mat.data[i * 3 + c] = in[c * pixels + i];
    }
  }
  return mat;
}

Image to_image(const cv::Mat& mat) {
  at::Tensor out = at::empty({3, mat.rows, mat.cols}, at::kByte);
  auto* to = out.mutable_data_ptr<std::uint8_t>();
  const std::int64_t pixels = std::int64_t{mat.rows} * mat.cols;
  for (std::int64_t i = 0; i < pixels; ++i) {
    for (std::int64_t c = 0; c < 3; ++c) {
      to[c * pixels + i] = mat.data[i * 3 + c];
    }
  }
  return {out, 8};
}

// Pixel art is enlarged by whole factors, so that one sees the pixels; large pictures are averaged
// down.
cv::Mat scaled(const cv::Mat& mat, std::int64_t cell_size) {
  const int side = std::max(mat.rows, mat.cols);
  const auto cell = static_cast<int>(cell_size);
  cv::Mat out;
  if (side > cell) {
    const double factor = static_cast<double>(cell) / side;
    cv::resize(mat, out, {}, factor, factor, cv::INTER_AREA);
  } else {
    const int factor = std::max(1, static_cast<int>(std::lround(static_cast<double>(cell) / side)));
    cv::resize(mat, out, {}, factor, factor, cv::INTER_NEAREST);
  }
  return out;
}

int text_width(const std::string& text) {
  int baseline = 0;
  return cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, kFontScale, 1, &baseline).width;
}

std::string drawable(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u >= 32 && u < 127) {
      out += c;
    } else if (u >= 0xC0) {  // the first byte of a character
      out += '?';
    } else if (u < 32) {
      out += ' ';
    }
  }
  return out;
}

std::vector<std::string> wrap(const std::string& caption, int width) {
  const std::string text = drawable(caption);
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = text.find(' ', i);
    end = end == std::string::npos ? text.size() : end + 1;
    const std::string word = text.substr(i, end - i);
    if (!line.empty() && text_width(line + word) > width) {
      lines.push_back(line);
      line.clear();
    }
    line += word;
    i = end;
  }
  if (!line.empty()) {
    lines.push_back(line);
  }
  if (lines.size() > kMaxLines) {
    lines.resize(kMaxLines);
    lines.back() += "...";
  }
  return lines;
}

void draw_text(cv::Mat& sheet, const std::vector<std::string>& lines, cv::Point at) {
  for (const auto& line : lines) {
    at.y += kLineHeight;
    cv::putText(sheet, line, {at.x, at.y - 3}, cv::FONT_HERSHEY_SIMPLEX, kFontScale, kInk, 1,
                cv::LINE_AA);
  }
}

struct Cell {
  cv::Mat picture;
  std::vector<std::string> lines;
};

/// Common size of all cells.
struct Layout {
  int columns = 1;
  int width = 0;
  int picture_height = 0;
  int text_height = 0;
  int top = 0;

  int height() const { return picture_height + text_height; }
};

Layout lay_out(std::vector<Cell>& cells, const std::vector<SheetCell>& source,
               const SheetOptions& options) {
  Layout layout;
  layout.columns =
      static_cast<int>(std::clamp<std::int64_t>(options.columns, 1, std::ssize(cells)));
  for (const auto& cell : cells) {
    layout.width = std::max(layout.width, cell.picture.cols);
    layout.picture_height = std::max(layout.picture_height, cell.picture.rows);
  }
  for (std::size_t i = 0; i < cells.size(); ++i) {
    cells[i].lines = wrap(source[i].caption, layout.width);
    layout.text_height = std::max(
        layout.text_height,
        cells[i].lines.empty() ? 0 : static_cast<int>(cells[i].lines.size()) * kLineHeight + 4);
  }
  layout.top = options.title.empty() ? 0 : kLineHeight + kGap;
  return layout;
}

bool inside(const float* plane, std::int64_t y, std::int64_t x, std::int64_t height,
            std::int64_t width) {
  return y >= 0 && x >= 0 && y < height && x < width && plane[y * width + x] >= 0.5F;
}

void draw_class(at::Tensor& rgb, const float* plane, std::int64_t k,
                const OverlayOptions& options) {
  const auto color = class_color(k);
  const std::int64_t height = rgb.size(1);
  const std::int64_t width = rgb.size(2);
  auto* out = rgb.mutable_data_ptr<std::uint8_t>();
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      if (!inside(plane, y, x, height, width)) {
        continue;
      }
      const bool edge =
          !(inside(plane, y - 1, x, height, width) && inside(plane, y + 1, x, height, width) &&
            inside(plane, y, x - 1, height, width) && inside(plane, y, x + 1, height, width));
      const double share = edge && options.outline ? 1.0 : options.tint;
      for (std::size_t c = 0; c < 3; ++c) {
        std::uint8_t& v = out[static_cast<std::int64_t>(c) * height * width + y * width + x];
        v = static_cast<std::uint8_t>(std::lround(v + share * (color[c] - v)));
      }
    }
  }
}

}  // namespace

std::array<std::uint8_t, 3> class_color(std::int64_t k) {
  static constexpr std::array<std::array<std::uint8_t, 3>, 7> kColors{{{86, 180, 233},
                                                                       {240, 228, 66},
                                                                       {0, 158, 115},
                                                                       {204, 121, 167},
                                                                       {230, 159, 0},
                                                                       {213, 94, 0},
                                                                       {0, 114, 178}}};
  return kColors[static_cast<std::size_t>(k) % kColors.size()];
}

Image to_display(const Image& image) {
  at::Tensor pixels = image.pixels.to(at::kCPU);
  if (image.bit_depth == 16) {
    const at::Tensor levels = pixels.to(at::kFloat);
    const float low = levels.min().item<float>();
    const float high = std::max(levels.max().item<float>(), low + 1.0F);
    pixels = levels.sub(low).mul_(255.0F / (high - low)).round_().to(at::kByte);
  }
  return {pixels.expand({3, image.height(), image.width()}).contiguous(), 8};
}

Image overlay_mask(const Image& image, const at::Tensor& planes, const OverlayOptions& options) {
  if (planes.dim() != 3 || planes.size(1) != image.height() || planes.size(2) != image.width()) {
    throw Error(ErrorCode::kInvalidArgument, "overlay", "the mask has another size than the image");
  }
  Image out = to_display(image);
  out.pixels = out.pixels.clone();
  const at::Tensor values = planes.to(at::kCPU, at::kFloat).contiguous();
  for (std::int64_t k = 0; k < values.size(0); ++k) {
    draw_class(out.pixels, values.const_data_ptr<float>() + k * image.height() * image.width(), k,
               options);
  }
  return out;
}

Image contact_sheet(const std::vector<SheetCell>& cells, const SheetOptions& options) {
  if (cells.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "contact sheet", "needs at least one picture");
  }
  std::vector<Cell> drawn;
  for (const auto& cell : cells) {
    drawn.push_back({scaled(to_mat(to_display(cell.image)), options.cell_size), {}});
  }
  const Layout layout = lay_out(drawn, cells, options);
  const int rows = (static_cast<int>(drawn.size()) + layout.columns - 1) / layout.columns;
  cv::Mat sheet(layout.top + rows * (layout.height() + kGap) + kGap,
                layout.columns * (layout.width + kGap) + kGap, CV_8UC3, kGround);
  draw_text(sheet, {drawable(options.title)}, {kGap, kGap / 2});
  for (int i = 0; i < static_cast<int>(drawn.size()); ++i) {
    const Cell& cell = drawn[static_cast<std::size_t>(i)];
    const int x = kGap + i % layout.columns * (layout.width + kGap);
    const int y = layout.top + kGap + i / layout.columns * (layout.height() + kGap);
    cell.picture.copyTo(sheet({x, y, cell.picture.cols, cell.picture.rows}));
    draw_text(sheet, cell.lines, {x, y + layout.picture_height});
  }
  return to_image(sheet);
}

}  // namespace medaug
