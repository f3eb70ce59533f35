// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace medaug {

/// Copies of training images on which a search for copies is tried.
struct PlantedCopies {
  at::Tensor images;                 ///< (N, C, H, W) in [-1, 1], of 8 bits
  std::vector<std::int64_t> source;  ///< row of the training image
  std::vector<std::string> kind;
};

/// Each image is one changed in one of these ways, which take turns:
///  - "flip": mirrored from left to right, upside down, or both
///  - "crop": 85 to 95 % of either side, anywhere, brought back to the full size
///  - "noise": Gaussian, of 5 to 20 grey levels of 255
///  - "intensity": gamma e^-0.4 to e^0.4, contrast 0.75 to 1.25, brightness -0.1 to 0.1
///  - "rotation": 2 to 10 degrees either way, the edges continued
/// @param training (N, C, H, W) in [-1, 1]
PlantedCopies plant_copies(const at::Tensor& training, std::int64_t count, std::uint64_t seed);

}  // namespace medaug
