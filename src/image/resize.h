// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace medaug {

/// A rectangle of the source in pixels; whole pixel i covers [i, i + 1].
struct Box {
  double left = 0.0;
  double top = 0.0;
  double right = 0.0;
  double bottom = 0.0;
};

struct ResizeTarget {
  std::int64_t height = 0;
  std::int64_t width = 0;
  Box box;  ///< part of the source that is mapped to the target
  float low =
      0.0F;  ///< results are clamped to [low, high], after each of the two passes as Pillow does
  float high = 255.0F;
};

/// Antialiased bicubic (a = -0.5, support grows with the reduction), as Pillow's `resize(BICUBIC,
/// box=…)` but in float: columns first, then rows.
///
/// @param chw  (C, H, W) of any type
/// @return     (C, height, width) float32, not rounded
at::Tensor resize_bicubic(const at::Tensor& chw, const ResizeTarget& target);

/// Exact area average: each target pixel is the mean of what it covers, so the mean over the box is
/// kept.
at::Tensor resize_area(const at::Tensor& chw, const ResizeTarget& target);

/// The box that is the whole picture.
Box whole(const at::Tensor& chw);

}  // namespace medaug
