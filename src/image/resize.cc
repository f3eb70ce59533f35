// SPDX-License-Identifier: MIT
#include "image/resize.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace medaug {
namespace {

/// One target position: `weights[k]` belongs to source position `first + k`.
struct Taps {
  std::int64_t first = 0;
  std::vector<float> weights;
};

struct Axis {
  std::int64_t source = 0;
  std::int64_t target = 0;
  double from = 0.0;
  double to = 0.0;

  double scale() const { return (to - from) / static_cast<double>(target); }
};

// Keys' cubic with a = -0.5.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) {
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  }
  return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

void normalise(Taps& taps, double sum) {
  for (float& w : taps.weights) {
    w = static_cast<float>(static_cast<double>(w) / sum);
  }
}

// Positions and rounding of Pillow's precompute_coeffs (src/libImaging/Resample.c).
std::vector<Taps> bicubic_taps(const Axis& axis) {
  const double scale = axis.scale();
  const double filter_scale = std::max(scale, 1.0);
  const double support = 2.0 * filter_scale;
  std::vector<Taps> all(static_cast<std::size_t>(axis.target));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double center = axis.from + (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(center - support + 0.5));
    const auto last =
        std::min<std::int64_t>(axis.source, static_cast<std::int64_t>(center + support + 0.5));
    all[i].first = first;
    double sum = 0.0;
    for (std::int64_t x = first; x < last; ++x) {
      const double w = cubic((static_cast<double>(x) - center + 0.5) / filter_scale);
      all[i].weights.push_back(static_cast<float>(w));
      sum += w;
    }
    normalise(all[i], sum);
  }
  return all;
}

std::vector<Taps> area_taps(const Axis& axis) {
  const double scale = axis.scale();
  std::vector<Taps> all(static_cast<std::size_t>(axis.target));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double low = axis.from + static_cast<double>(i) * scale;
    const double high = low + scale;
    const auto first =
        std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(low)), 0, axis.source - 1);
    const auto last = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ceil(high)),
                                               first + 1, axis.source);
    all[i].first = first;
    double sum = 0.0;
    for (std::int64_t x = first; x < last; ++x) {
      const double overlap = std::max(
          0.0, std::min(high, static_cast<double>(x + 1)) - std::max(low, static_cast<double>(x)));
      all[i].weights.push_back(static_cast<float>(overlap));
      sum += overlap;
    }
    normalise(all[i], sum);
  }
  return all;
}

// (rows, width) -> (rows, target)
std::vector<float> along_columns(const float* in, std::int64_t rows, const Axis& axis,
                                 const std::vector<Taps>& taps) {
  std::vector<float> out(static_cast<std::size_t>(rows * axis.target));
  float* to = out.data();
  for (std::int64_t y = 0; y < rows; ++y) {
    const float* row = in + y * axis.source;
    for (const auto& tap : taps) {
      float sum = 0.0F;
      const float* from = row + tap.first;
      for (std::size_t k = 0; k < tap.weights.size(); ++k) {
        sum += tap.weights[k] * from[k];
      }
      *to++ = sum;
    }
  }
  return out;
}

// (height, width) -> (target, width)
void along_rows(const float* in, std::int64_t width, const std::vector<Taps>& taps, float* out) {
  for (const auto& tap : taps) {
    std::fill_n(out, width, 0.0F);
    for (std::size_t k = 0; k < tap.weights.size(); ++k) {
      const float w = tap.weights[k];
      const float* row = in + (tap.first + static_cast<std::int64_t>(k)) * width;
      for (std::int64_t x = 0; x < width; ++x) {
        out[x] += w * row[x];
      }
    }
    out += width;
  }
}

using MakeTaps = std::vector<Taps> (*)(const Axis&);

at::Tensor resize(const at::Tensor& chw, const ResizeTarget& target, MakeTaps make) {
  MEDAUG_ASSERT(chw.dim() == 3 && target.height > 0 && target.width > 0);
  const at::Tensor in = chw.to(at::kCPU, at::kFloat).contiguous();
  const Axis columns{in.size(2), target.width, target.box.left, target.box.right};
  const Axis rows{in.size(1), target.height, target.box.top, target.box.bottom};
  const std::vector<Taps> column_taps = make(columns);
  const std::vector<Taps> row_taps = make(rows);
  at::Tensor out = at::empty({in.size(0), target.height, target.width}, at::kFloat);
  const auto clamp = [&](float v) { return std::clamp(v, target.low, target.high); };
  for (std::int64_t c = 0; c < in.size(0); ++c) {
    const float* plane = in.const_data_ptr<float>() + c * rows.source * columns.source;
    float* to = out.mutable_data_ptr<float>() + c * target.height * target.width;
    std::vector<float> narrow = along_columns(plane, rows.source, columns, column_taps);
    std::transform(narrow.begin(), narrow.end(), narrow.begin(), clamp);
    along_rows(narrow.data(), target.width, row_taps, to);
    std::transform(to, to + target.height * target.width, to, clamp);
  }
  return out;
}

}  // namespace

at::Tensor resize_bicubic(const at::Tensor& chw, const ResizeTarget& target) {
  return resize(chw, target, bicubic_taps);
}

at::Tensor resize_area(const at::Tensor& chw, const ResizeTarget& target) {
  return resize(chw, target, area_taps);
}

Box whole(const at::Tensor& chw) {
  return {0.0, 0.0, static_cast<double>(chw.size(2)), static_cast<double>(chw.size(1))};
}

}  // namespace medaug
