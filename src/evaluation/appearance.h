// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

// What a set of images looks like as a whole: sharpness, tiles, spectrum, grey levels. Everywhere
// images are (N, C, H, W) float32 in [-1, 1]; colour counts by its mean. A set that has nothing to
// measure gives a number that is not finite.

namespace medaug {

/// Median over the images of the variance of their Laplacian (4-neighbour). Blur lowers it. NaN
/// below 3 x 4 pixels.
double sharpness(const at::Tensor& images);

/// Mean absolute difference of horizontal neighbours across the borders of patches over that inside
/// of them; 1 = no tiles to be seen. Not finite when nothing changes inside of the patches.
/// @param patch  pixels, at least 2 and less than the width
double seam_ratio(const at::Tensor& images, std::int64_t patch);

/// Mean standard deviation of a pixel over the set: near 0 when all images are alike. NaN for a
/// single image.
double spread(const at::Tensor& images);

/// Root mean square difference, in decades, of the mean radial power spectra of two sets (of one
/// size); the mean brightness is left out. NaN for a side of one pixel.
double spectrum_distance(const at::Tensor& a, const at::Tensor& b);

/// First Wasserstein distance between the grey levels of two sets, in levels of 8 bits (0..255): by
/// how much a pixel's level would have to be moved on average.
double histogram_distance(const at::Tensor& a, const at::Tensor& b);

}  // namespace medaug
