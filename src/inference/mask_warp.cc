// SPDX-License-Identifier: MIT
#include "inference/mask_warp.h"

#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

namespace medaug {
namespace {

constexpr double kMaxTurnDegrees = 20.0;
constexpr double kMaxZoom = 1.25;
constexpr double kMaxShift = 0.1;       // of the side
constexpr double kBend = 0.04;          // of the side, standard deviation of the control points
constexpr std::int64_t kBendCells = 4;  // along each side
constexpr double kLeastArea = 0.4;      // of each class
constexpr int kAttempts = 8;

/// Where each target pixel takes its value from, as a shift in pixels.
struct ShiftField {
  std::vector<double> x;
  std::vector<double> y;
};

struct Canvas {
  std::int64_t height;
  std::int64_t width;
  std::size_t pixels() const { return static_cast<std::size_t>(height * width); }
};

ShiftField affine_field(const Canvas& canvas, double strength, RandomStream& stream) {
  const double angle =
      strength * stream.uniform(-1.0, 1.0) * kMaxTurnDegrees * std::numbers::pi / 180.0;
  const double zoom = std::pow(kMaxZoom, strength * stream.uniform(-1.0, 1.0));
  const double c = std::cos(angle) / zoom;
  const double s = std::sin(angle) / zoom;
  const double shift_x =
      strength * stream.uniform(-kMaxShift, kMaxShift) * static_cast<double>(canvas.width);
  const double shift_y =
      strength * stream.uniform(-kMaxShift, kMaxShift) * static_cast<double>(canvas.height);
  ShiftField field;
  for (std::int64_t row = 0; row < canvas.height; ++row) {
    for (std::int64_t column = 0; column < canvas.width; ++column) {
      const double u = static_cast<double>(column) - static_cast<double>(canvas.width - 1) / 2.0;
      const double v = static_cast<double>(row) - static_cast<double>(canvas.height - 1) / 2.0;
      field.x.push_back(c * u + s * v - u + shift_x);
      field.y.push_back(-s * u + c * v - v + shift_y);
    }
  }
  return field;
}

/// Weights of the four control points around a position, uniform cubic B-spline.
std::array<double, 4> spline_weights(double t) {
  const double r = 1.0 - t;
  return {r * r * r / 6.0, (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
          (3.0 * r * r * r - 6.0 * r * r + 4.0) / 6.0, t * t * t / 6.0};
}

/// A smooth random function on the canvas.
std::vector<double> smooth_noise(const Canvas& canvas, double amplitude, RandomStream& stream) {
  constexpr std::int64_t kPoints = kBendCells + 3;
  std::array<double, kPoints * kPoints> control{};
  for (auto& value : control) {
    value = amplitude * stream.normal();
  }
  const auto cell_of = [](std::int64_t i, std::int64_t side) {
    return (static_cast<double>(i) + 0.5) / static_cast<double>(side) * kBendCells;
  };
  std::vector<double> out;
  for (std::int64_t row = 0; row < canvas.height; ++row) {
    const double v = cell_of(row, canvas.height);
    const auto rows = spline_weights(v - std::floor(v));
    for (std::int64_t column = 0; column < canvas.width; ++column) {
      const double u = cell_of(column, canvas.width);
      const auto columns = spline_weights(u - std::floor(u));
      double sum = 0.0;
      for (std::size_t k = 0; k < 16; ++k) {
        const auto y = static_cast<std::size_t>(v) + k / 4;
        const auto x = static_cast<std::size_t>(u) + k % 4;
        sum += rows[k / 4] * columns[k % 4] * control[y * kPoints + x];
      }
      out.push_back(sum);
    }
  }
  return out;
}

ShiftField elastic_field(const Canvas& canvas, double strength, RandomStream& stream) {
  const double amplitude = strength * kBend;
  ShiftField field;
  field.x = smooth_noise(canvas, amplitude * static_cast<double>(canvas.width), stream);
  field.y = smooth_noise(canvas, amplitude * static_cast<double>(canvas.height), stream);
  return field;
}

/// First and last row and column that any class touches.
struct Bounds {
  std::int64_t left, top, right, bottom;
};

Bounds bounds_of(const at::Tensor& planes, const Canvas& canvas) {
  Bounds b{canvas.width, canvas.height, -1, -1};
  const auto* values = planes.const_data_ptr<float>();
  for (std::int64_t i = 0; i < planes.numel(); ++i) {
    if (values[i] > 0.0F) {
      const auto x = i % canvas.width;
      const auto y = i / canvas.width % canvas.height;
      b = {std::min(b.left, x), std::min(b.top, y), std::max(b.right, x), std::max(b.bottom, y)};
    }
  }
  return b;
}

/// Whole pixels, so that the outline stays as it is.
ShiftField move_field(const at::Tensor& planes, const Canvas& canvas,
                      std::span<const MaskCenter> places, RandomStream& stream) {
  ShiftField field;
  field.x.assign(canvas.pixels(), 0.0);
  field.y.assign(canvas.pixels(), 0.0);
  const auto own = center_of(planes);
  if (!own || places.empty()) {
    return field;
  }
  const auto& place = places[stream.below(places.size())];
  const auto b = bounds_of(planes, canvas);
  const auto pixels = [](double share, std::int64_t side) {
    return std::llround(share * static_cast<double>(side));
  };
  const auto right = std::clamp<std::int64_t>(pixels(place.x - own->x, canvas.width), -b.left,
                                              canvas.width - 1 - b.right);
  const auto down = std::clamp<std::int64_t>(pixels(place.y - own->y, canvas.height), -b.top,
                                             canvas.height - 1 - b.bottom);
  field.x.assign(canvas.pixels(), -static_cast<double>(right));
  field.y.assign(canvas.pixels(), -static_cast<double>(down));
  return field;
}

float value_at(const float* plane, const Canvas& canvas, std::int64_t y, std::int64_t x) {
  const bool inside = y >= 0 && x >= 0 && y < canvas.height && x < canvas.width;
  return inside ? plane[y * canvas.width + x] : 0.0F;
}

float bilinear(const float* plane, const Canvas& canvas, double y, double x) {
  const auto y0 = static_cast<std::int64_t>(std::floor(y));
  const auto x0 = static_cast<std::int64_t>(std::floor(x));
  const auto v = static_cast<float>(y - std::floor(y));
  const auto u = static_cast<float>(x - std::floor(x));
  const float upper =
      (1.0F - u) * value_at(plane, canvas, y0, x0) + u * value_at(plane, canvas, y0, x0 + 1);
  const float lower = (1.0F - u) * value_at(plane, canvas, y0 + 1, x0) +
                      u * value_at(plane, canvas, y0 + 1, x0 + 1);
  return std::clamp((1.0F - v) * upper + v * lower, 0.0F, 1.0F);
}

at::Tensor sampled(const at::Tensor& planes, const Canvas& canvas, const ShiftField& field) {
  auto out = at::zeros_like(planes);
  auto* to = out.mutable_data_ptr<float>();
  const auto* from = planes.const_data_ptr<float>();
  const auto pixels = static_cast<std::int64_t>(canvas.pixels());
  for (std::int64_t i = 0; i < planes.numel(); ++i) {
    const auto pixel = i % pixels;
    const auto place = static_cast<std::size_t>(pixel);
    to[i] = bilinear(from + (i - pixel), canvas,
                     static_cast<double>(pixel / canvas.width) + field.y[place],
                     static_cast<double>(pixel % canvas.width) + field.x[place]);
  }
  return out;
}

bool keeps_area(const at::Tensor& before, const at::Tensor& after) {
  for (std::int64_t k = 0; k < before.size(0); ++k) {
    const double area = before[k].sum().item<double>();
    if (area > 0.0 && after[k].sum().item<double>() < kLeastArea * area) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<MaskCenter> center_of(const at::Tensor& planes) {
  const auto in = planes.to(at::kFloat).contiguous();
  const auto* values = in.const_data_ptr<float>();
  const auto height = in.size(1);
  const auto width = in.size(2);
  double mass = 0.0;
  double x = 0.0;
  double y = 0.0;
  for (std::int64_t i = 0; i < in.numel(); ++i) {
    mass += values[i];
    x += values[i] * (static_cast<double>(i % width) + 0.5);
    y += values[i] * (static_cast<double>(i / width % height) + 0.5);
  }
  if (mass <= 0.0) {
    return std::nullopt;
  }
  return MaskCenter{x / mass / static_cast<double>(width), y / mass / static_cast<double>(height)};
}

at::Tensor warp_mask(const at::Tensor& planes, MaskTransform transform,
                     std::span<const MaskCenter> places, RandomStream stream) {
  const auto before = planes.contiguous();
  if (transform == MaskTransform::kNone || !center_of(before)) {
    return before;
  }
  const Canvas canvas{before.size(1), before.size(2)};
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const double strength = 1.0 - static_cast<double>(attempt) / kAttempts;
    const auto field = transform == MaskTransform::kAffine ? affine_field(canvas, strength, stream)
                       : transform == MaskTransform::kElastic
                           ? elastic_field(canvas, strength, stream)
                           : move_field(before, canvas, places, stream);
    auto after = sampled(before, canvas, field);
    if (keeps_area(before, after) && !after.equal(before)) {
      return after;
    }
  }
  return before;
}

}  // namespace medaug
