// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include "image/image.h"

// How alike two images are, pixel by pixel. Full-reference measures say how well something was
// rebuilt; of an image that was meant to be new they say little.

namespace medaug {

/// Of one generated image against one reference of the same size. Levels are those of the bit
/// depth, 0..255 or 0..65535; a pair of 8 and 16 bits is compared at 16.
struct ImageQuality {
  double data_range = 255.0;      ///< 255 or 65535
  double mae = 0.0;               ///< mean of |a - b| over all pixels and channels, in levels
  double mse = 0.0;               ///< mean of (a - b)^2, in squared levels
  std::optional<double> psnr;     ///< dB, 10 log10(range^2 / mse); none for identical images
  std::optional<double> ssim;     ///< in [-1, 1]; none when a side is below 11 pixels
  std::optional<double> ms_ssim;  ///< in [0, 1]; none when a side is below 161 pixels
};

/// SSIM: Wang et al., IEEE TIP 13(4), 2004: Gaussian window of 11 pixels with sigma 1.5, K1 0.01,
/// K2 0.03, population covariance; mean over the places where the whole window lies inside, then
/// over the channels (as scikit-image with gaussian_weights and without sample covariance).
/// MS-SSIM: Wang et al., Asilomar 2003: five scales, 2 x 2 means between them, weights 0.0448,
/// 0.2856, 0.3001, 0.2363, 0.1333, factors below zero count as zero, whole windows only.
/// @throws Error kData when the sizes or the numbers of channels differ
ImageQuality compare_images(const Image& generated, const Image& reference);

}  // namespace medaug
