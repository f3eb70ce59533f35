// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <vector>

// Whether one picture is another one, turned, moved, cropped, or with other grey levels: the two
// are brought on top of each other, and what is left unexplained is measured in bands of detail.

namespace medaug {

/// A square picture of one channel, values in [-1, 1].
struct GreyPicture {
  std::int64_t side = 0;
  std::vector<float> values;  ///< (side, side)
};

/// Where the points of one picture lie in another: p -> M p + d. Coordinates are (x, y) and run
/// from -1 to 1 over the whole picture.
struct Pose {
  std::array<float, 4> turn{1.0F, 0.0F, 0.0F, 1.0F};  ///< M, row by row
  std::array<float, 2> shift{0.0F, 0.0F};             ///< d
};

/// Detail freed of brightness and contrast: (g1 - g8) / sqrt(g8 * (g1 - g8)^2 + eps^2), g1 and g8
/// the picture blurred by Gaussians of `sigma` and of 8 pixels.
GreyPicture local_detail(const GreyPicture& picture, double sigma);

/// Mean of each 2 x 2 pixels. @param picture  of an even side
GreyPicture halved(const GreyPicture& picture);

struct Alignment {
  Pose pose;
  double correlation = -1.0;  ///< of the overlap; -1 when less than 0.44 of the picture overlaps
};

/// Turns, scales and moves `training` so that it fits `query`: Gauss-Newton on q - (a t + b) over
/// the overlap. @return the best pose met on the way
Alignment align(const GreyPicture& query, const GreyPicture& training, const Pose& start,
                int iterations);

/// The share of the query's detail that the training picture does not explain, in [0, 1]: 0 = a
/// copy, 1 = nothing in common. The picture in its pose is fitted to the query by a cubic curve of
/// grey levels; of the residual r and of the query q the energies are taken in bands (differences
/// of Gaussians of 1 and 2, 2 and 4 pixels), and the share is the geometric mean of r / q over the
/// bands. Noise is not detail: nine tenths of the white noise that the residual's finest band
/// (0.5 to 1 pixel) shows are taken off first.
double unexplained_detail(const GreyPicture& query, const GreyPicture& training, const Pose& pose);

}  // namespace medaug
