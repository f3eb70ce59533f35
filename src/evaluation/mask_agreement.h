// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>

// How well a predicted mask covers a reference mask: overlap and distance of the outlines.

namespace medaug {

/// Counts of two binary masks. Both empty: they agree, so Dice and IoU are 1.
struct Overlap {
  std::int64_t predicted = 0;  ///< pixels
  std::int64_t reference = 0;
  std::int64_t both = 0;

  double dice() const;                      ///< 2 both / (predicted + reference)
  double iou() const;                       ///< both / (predicted + reference - both)
  std::optional<double> precision() const;  ///< both / predicted; none when nothing was predicted
  std::optional<double> recall() const;  ///< both / reference; none when there is nothing to find
};

/// @param predicted, reference  (H, W), not zero = inside
Overlap overlap(const at::Tensor& predicted, const at::Tensor& reference);

/// Distances between the outlines of two masks, in the unit of the spacing. The outline is what an
/// erosion by the four-neighbour cross takes away (outside the image counts as background).
struct SurfaceDistance {
  double hausdorff = 0.0;
  double hausdorff95 = 0.0;  ///< the larger of the two directed 95th percentiles (interpolated)
  double average = 0.0;      ///< ASSD: mean over the outline points of both
  double hausdorff95_pooled = 0.0;  ///< the 95th percentile over the points of both (medpy's)
};

/// None when either mask is empty: there is no distance to nothing.
/// @param spacing  of rows and columns; {1, 1} = pixels
std::optional<SurfaceDistance> surface_distance(const at::Tensor& predicted,
                                                const at::Tensor& reference,
                                                std::array<double, 2> spacing = {1.0, 1.0});

}  // namespace medaug
