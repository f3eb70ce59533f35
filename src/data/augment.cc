// SPDX-License-Identifier: MIT
#include "data/augment.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace medaug {
namespace {

/// One draw of the continuous changes, as shares of their largest value in [-1, 1]; 0 = not done.
struct Draw {
  double rotation = 0.0;
  double scale = 0.0;
  double shift_x = 0.0;
  double shift_y = 0.0;
  double brightness = 0.0;
  double contrast = 0.0;

  bool moves() const { return rotation != 0.0 || scale != 0.0 || shift_x != 0.0 || shift_y != 0.0; }
};

// The order and number of the random numbers never depends on the options: switching one change on
// leaves the others' draws as they were.
Draw draw_changes(const AugmentOptions& options, RandomStream& stream) {
  const auto share = [&](double largest, bool apply) {
    const double u = stream.uniform(-1.0, 1.0);
    return apply && largest > 0.0 ? u : 0.0;
  };
  Draw draw;
  draw.rotation = share(options.rotation_deg, stream.chance(options.probability));
  draw.scale = share(options.scale, stream.chance(options.probability));
  const bool shifted = stream.chance(options.probability);
  draw.shift_x = share(options.shift, shifted);
  draw.shift_y = share(options.shift, shifted);
  draw.brightness = share(options.brightness, stream.chance(options.probability));
  draw.contrast = share(options.contrast, stream.chance(options.probability));
  return draw;
}

at::Tensor features_of(const Draw& draw) {
  at::Tensor out = at::zeros({kAugmentFeatures}, at::kFloat);
  float* v = out.mutable_data_ptr<float>();
  const std::array<double, 6> values{draw.rotation, draw.scale,      draw.shift_x,
                                     draw.shift_y,  draw.brightness, draw.contrast};
  std::transform(values.begin(), values.end(), v, [](double d) { return static_cast<float>(d); });
  return out;
}

// Plain loops here and below: ATen would start its own threads inside each loader thread.
at::Tensor mirror(const at::Tensor& chw, bool horizontal, bool vertical) {
  at::Tensor out = at::empty_like(chw);
  const std::int64_t height = chw.size(1);
  const std::int64_t width = chw.size(2);
  const float* in = chw.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  for (std::int64_t row = 0; row < chw.size(0) * height; ++row) {
    const std::int64_t y = row % height;
    const float* from = in + (row - y + (vertical ? height - 1 - y : y)) * width;
    float* line = to + row * width;
    if (horizontal) {
      std::reverse_copy(from, from + width, line);
    } else {
      std::copy_n(from, width, line);
    }
  }
  return out;
}

/// Source position of a target pixel: p = center + a * (target - center) + shift.
struct Affine {
  double xx, xy, yx, yy;
  double shift_x, shift_y;  // pixels
};

Affine inverse_map(const Draw& draw, const AugmentOptions& options, double height, double width) {
  const double angle = draw.rotation * options.rotation_deg * std::numbers::pi / 180.0;
  const double zoom = std::pow(1.0 + options.scale, draw.scale);
  const double c = std::cos(angle) / zoom;
  const double s = std::sin(angle) / zoom;
  const double dx = -draw.shift_x * options.shift * width;
  const double dy = -draw.shift_y * options.shift * height;
  return {c, s, -s, c, c * dx + s * dy, -s * dx + c * dy};
}

// Mirrored at the edges between pixels: -1 -> 0, -2 -> 1, n -> n - 1.
std::int64_t reflect(std::int64_t i, std::int64_t n) {
  const std::int64_t period = 2 * n;
  i %= period;
  i = i < 0 ? i + period : i;
  return i < n ? i : period - 1 - i;
}

/// Weights of the 4 positions floor(p) - 1 .. floor(p) + 2.
using Kernel = std::array<float, 4> (*)(float);

std::array<float, 4> catmull_rom(float t) {
  const float t2 = t * t;
  const float t3 = t2 * t;
  return {0.5F * (-t3 + 2.0F * t2 - t), 0.5F * (3.0F * t3 - 5.0F * t2 + 2.0F),
          0.5F * (-3.0F * t3 + 4.0F * t2 + t), 0.5F * (t3 - t2)};
}

std::array<float, 4> linear(float t) { return {0.0F, 1.0F - t, t, 0.0F}; }

/// Where one target pixel takes its value from: the same for all planes.
struct Taps {
  std::array<std::int64_t, 4> columns;
  std::array<std::int64_t, 4> rows;
  std::array<float, 4> column_weights;
  std::array<float, 4> row_weights;
};

Taps taps_at(double x, double y, std::int64_t height, std::int64_t width, Kernel kernel) {
  const double x0 = std::floor(x);
  const double y0 = std::floor(y);
  Taps taps{{}, {}, kernel(static_cast<float>(x - x0)), kernel(static_cast<float>(y - y0))};
  for (std::size_t k = 0; k < 4; ++k) {
    const auto offset = static_cast<std::int64_t>(k) - 1;
    taps.columns[k] = reflect(static_cast<std::int64_t>(x0) + offset, width);
    taps.rows[k] = reflect(static_cast<std::int64_t>(y0) + offset, height) * width;
  }
  return taps;
}

float sample(const float* plane, const Taps& taps) {
  float sum = 0.0F;
  for (std::size_t j = 0; j < 4; ++j) {
    const float* row = plane + taps.rows[j];
    float line = 0.0F;
    for (std::size_t i = 0; i < 4; ++i) {
      line += taps.column_weights[i] * row[taps.columns[i]];
    }
    sum += taps.row_weights[j] * line;
  }
  return sum;
}

struct Range {
  float low;
  float high;
};

at::Tensor warp(const at::Tensor& chw, const Affine& map, Kernel kernel, Range range) {
  at::Tensor out = at::empty_like(chw);
  const std::int64_t height = chw.size(1);
  const std::int64_t width = chw.size(2);
  const double center_x = static_cast<double>(width - 1) / 2.0;
  const double center_y = static_cast<double>(height - 1) / 2.0;
  const float* in = chw.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const double u = static_cast<double>(x) - center_x;
      const double v = static_cast<double>(y) - center_y;
      const Taps taps =
          taps_at(center_x + map.xx * u + map.xy * v + map.shift_x,
                  center_y + map.yx * u + map.yy * v + map.shift_y, height, width, kernel);
      for (std::int64_t c = 0; c < chw.size(0); ++c) {
        const std::int64_t plane = c * height * width;
        to[plane + y * width + x] = std::clamp(sample(in + plane, taps), range.low, range.high);
      }
    }
  }
  return out;
}

at::Tensor shade(const at::Tensor& image, const Draw& draw, const AugmentOptions& options) {
  at::Tensor out = at::empty_like(image);
  const auto gain = static_cast<float>(1.0 + draw.contrast * options.contrast);
  const auto offset = static_cast<float>(draw.brightness * options.brightness);
  const float* in = image.const_data_ptr<float>();
  std::transform(in, in + image.numel(), out.mutable_data_ptr<float>(),
                 [&](float v) { return std::clamp(v * gain + offset, -1.0F, 1.0F); });
  return out;
}

}  // namespace

AugmentedSample augment_pair(const at::Tensor& image, const at::Tensor& mask,
                             const std::string& caption, const AugmentOptions& options,
                             RandomStream stream) {
  AugmentedSample out{image.contiguous(), mask.contiguous(), caption, {}};
  const bool horizontal = stream.chance(0.5) && options.horizontal_flip;
  const bool vertical = stream.chance(0.5) && options.vertical_flip;
  const Draw draw = draw_changes(options, stream);
  out.features = features_of(draw);
  if (horizontal || vertical) {
    if (auto flipped = flip_caption(caption, horizontal, vertical)) {
      out.caption = std::move(*flipped);
      out.image = mirror(out.image, horizontal, vertical);
      out.mask = mirror(out.mask, horizontal, vertical);
    }
  }
  if (draw.moves()) {
    const Affine map = inverse_map(draw, options, static_cast<double>(image.size(1)),
                                   static_cast<double>(image.size(2)));
    out.image = warp(out.image, map, catmull_rom, {-1.0F, 1.0F});
    out.mask = warp(out.mask, map, linear, {0.0F, 1.0F});
  }
  if (draw.brightness != 0.0 || draw.contrast != 0.0) {
    out.image = shade(out.image, draw, options);
  }
  return out;
}

}  // namespace medaug
