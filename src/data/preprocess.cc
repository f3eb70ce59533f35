// SPDX-License-Identifier: MIT
#include "data/preprocess.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/mask_labels.h"
#include "image/resize.h"

namespace medaug {
namespace {

/// Which part of the source goes where in the target.
struct Frame {
  Box box;
  std::int64_t top = 0;
  std::int64_t left = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

Frame crop_frame(double source_height, double source_width, const PreprocessOptions& options) {
  const auto height = static_cast<double>(options.height());
  const auto width = static_cast<double>(options.width());
  const double scale = std::min(source_height / height, source_width / width);
  const double top = (source_height - height * scale) / 2.0;
  const double left = (source_width - width * scale) / 2.0;
  return {{left, top, left + width * scale, top + height * scale},
          0,
          0,
          options.height(),
          options.width()};
}

Frame pad_frame(double source_height, double source_width, const PreprocessOptions& options) {
  const double scale = std::min(static_cast<double>(options.height()) / source_height,
                                static_cast<double>(options.width()) / source_width);
  const auto inner = [&](double side, std::int64_t limit) {
    return std::clamp<std::int64_t>(std::llround(side * scale), 1, limit);
  };
  Frame frame{{0.0, 0.0, source_width, source_height}, 0, 0, 0, 0};
  frame.height = inner(source_height, options.height());
  frame.width = inner(source_width, options.width());
  frame.top = (options.height() - frame.height) / 2;
  frame.left = (options.width() - frame.width) / 2;
  return frame;
}

Frame frame_for(const at::Tensor& chw, const PreprocessOptions& options) {
  const auto height = static_cast<double>(chw.size(1));
  const auto width = static_cast<double>(chw.size(2));
  switch (options.fit) {
    case Fit::kCrop:
      return crop_frame(height, width, options);
    case Fit::kPad:
      return pad_frame(height, width, options);
    case Fit::kStretch:
      break;
  }
  return {whole(chw), 0, 0, options.height(), options.width()};
}

template <class T>
void luma(const T* rgb, std::int64_t pixels, T* grey) {
  for (std::int64_t i = 0; i < pixels; ++i) {
    // Pillow's fixed-point ITU-R 601-2 weights.
    const auto sum = std::int64_t{rgb[i]} * 19595 + std::int64_t{rgb[i + pixels]} * 38470 +
                     std::int64_t{rgb[i + 2 * pixels]} * 7471 + 0x8000;
    grey[i] = static_cast<T>(sum >> 16);
  }
}

at::Tensor to_grey(const at::Tensor& rgb) {
  at::Tensor grey = at::empty({1, rgb.size(1), rgb.size(2)}, rgb.options());
  const at::Tensor in = rgb.contiguous();
  const std::int64_t pixels = rgb.size(1) * rgb.size(2);
  if (rgb.scalar_type() == at::kByte) {
    luma(in.const_data_ptr<std::uint8_t>(), pixels, grey.mutable_data_ptr<std::uint8_t>());
  } else {
    luma(in.const_data_ptr<std::int32_t>(), pixels, grey.mutable_data_ptr<std::int32_t>());
  }
  return grey;
}

ResizeTarget target_of(const Frame& frame, double high) {
  return {frame.height, frame.width, frame.box, 0.0F, static_cast<float>(high)};
}

at::Tensor place(const at::Tensor& inner, const Frame& frame, const PreprocessOptions& options,
                 double background) {
  if (frame.height == options.height() && frame.width == options.width()) {
    return inner;
  }
  at::Tensor out =
      at::full({inner.size(0), options.height(), options.width()}, background, inner.options());
  out.narrow(1, frame.top, frame.height).narrow(2, frame.left, frame.width).copy_(inner);
  return out;
}

}  // namespace

at::Tensor preprocess_image(const Image& image, const PreprocessOptions& options) {
  const std::int64_t channels = options.channels > 0 ? options.channels : image.channels();
  const std::int64_t depth = options.bit_depth > 0 ? options.bit_depth : image.bit_depth;
  const at::Tensor source =
      channels == 1 && image.channels() == 3 ? to_grey(image.pixels) : image.pixels;
  const Frame frame = frame_for(source, options);
  const float top_in = image.bit_depth == 16 ? 65535.0F : 255.0F;
  const float top_out = depth == 16 ? 65535.0F : 255.0F;
  at::Tensor out = resize_bicubic(source, target_of(frame, top_in));
  float* values = out.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < out.numel(); ++i) {
    // Whole levels, so that a picture from the cache and one straight from its file are the same
    // bytes.
    const float level = std::floor(values[i] / top_in * top_out + 0.5F);
    values[i] = level * (2.0F / top_out) - 1.0F;
  }
  out = place(out, frame, options, -1.0);
  return channels == 3 && out.size(0) == 1
             ? out.expand({3, options.height(), options.width()}).contiguous()
             : out;
}

at::Tensor preprocess_mask(const at::Tensor& levels, const PreprocessOptions& options,
                           const std::string& where) {
  if (options.mask_classes == 0) {
    return at::zeros({0, options.height(), options.width()}, at::kFloat);
  }
  const at::Tensor planes = split_mask(levels, options, where);
  const Frame frame = frame_for(planes, options);
  at::Tensor out = resize_area(planes, target_of(frame, 1.0));
  float* values = out.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < out.numel(); ++i) {
    // In 255ths as the cache keeps it, but never rounded away.
    const float v = values[i];
    values[i] = v > 0.0F ? std::max(1.0F, std::floor(v * 255.0F + 0.5F)) * (1.0F / 255.0F) : 0.0F;
  }
  return place(out, frame, options, 0.0);
}

}  // namespace medaug
