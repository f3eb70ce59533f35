// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "models/conv_layers.h"

namespace medaug {

struct UNetOptions {
  std::int64_t in_channels = 3;
  std::int64_t classes = 1;  ///< planes of the mask, each decided by itself
  std::int64_t width = 32;   ///< channels of the first level; doubled at each level, 512 at most
  std::int64_t levels = 4;   ///< each has half the side of the one before, rounded up
};

/// U-Net (Ronneberger et al., arXiv 1505.04597) in the form of nnU-Net (Isensee et al., Nature
/// Methods 18, 2021): instance norm, leaky ReLU, strided convolutions down, transposed ones up.
class UNet : public torch::nn::Module {
 public:
  /// @param seed  of the initial weights; none = left undefined, to be filled
  explicit UNet(const UNetOptions& options, std::optional<std::uint64_t> seed = 0);

  /// @param images (N, in_channels, H, W) in [-1, 1]  @return logits (N, classes, H, W)
  at::Tensor forward(const at::Tensor& images) const;
  /// What the deepest level knows of each image: channel means, (N, channels). A feature space.
  at::Tensor features(const at::Tensor& images) const;

  const UNetOptions& options() const { return options_; }

 private:
  class Stage;
  class Up;

  std::vector<at::Tensor> encode(const at::Tensor& images) const;

  UNetOptions options_;
  std::vector<std::shared_ptr<Stage>> down_, up_;
  std::vector<std::shared_ptr<Up>> widen_;
  std::shared_ptr<Convolution> out_;
};

}  // namespace medaug
