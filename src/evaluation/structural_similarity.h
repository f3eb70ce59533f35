// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

namespace medaug {

/// One channel of an image in levels.
struct Plane {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<double> values;  ///< (height, width)
};

constexpr std::int64_t kSsimWindow = 11;
constexpr std::int64_t kMsSsimLeastSide = (kSsimWindow - 1) * 16 + 1;

/// Means over the places where the whole Gaussian window lies inside both planes.
struct Similarity {
  double ssim = 0.0;
  double contrast_structure = 0.0;  ///< the second factor of SSIM alone
};
/// @param a, b  of one size, no side below kSsimWindow
Similarity structural_similarity(const Plane& a, const Plane& b, double data_range);

/// @param a, b  of one size, no side below kMsSsimLeastSide
double multiscale_similarity(Plane a, Plane b, double data_range);

}  // namespace medaug
