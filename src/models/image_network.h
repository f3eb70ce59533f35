// SPDX-License-Identifier: MIT
#pragma once

#include <torch/nn/module.h>

#include <cstdint>

namespace medaug {

/// A network that turns an image into features and features into classes.
class ImageNetwork : public torch::nn::Module {
 public:
  /// What the network reads. @param images (N, 1 or 3, H, W) in [-1, 1]
  /// @param side  pixels that the images are brought to; 0 = they stay
  virtual at::Tensor prepare(const at::Tensor& images, std::int64_t side) const = 0;
  /// Means over the places of the last stage. @param images from `prepare`, in the dtype that the
  /// convolutions are to run in  @return (N, D) float32
  virtual at::Tensor features(const at::Tensor& images) = 0;
  virtual at::Tensor classify(const at::Tensor& features) const = 0;  ///< (N, classes)
};

/// (N, 1 or 3, H, W) in [-1, 1] to (N, 3, side, side): grey repeated, bicubic with antialiasing as
/// Pillow does it. @param side  0 = the size stays
at::Tensor three_channels(const at::Tensor& images, std::int64_t side);

}  // namespace medaug
