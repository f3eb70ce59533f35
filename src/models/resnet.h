// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "models/conv_layers.h"
#include "models/image_network.h"

namespace medaug {

/// Shape of a ResNet. The defaults are ResNet-50's.
struct ResNetOptions {
  std::vector<std::int64_t> blocks{3, 4, 6, 3};  ///< of each stage
  bool bottleneck = true;        ///< 1x1, 3x3, 1x1 with 4 times the width behind; else two 3x3
  std::int64_t width = 64;       ///< channels of the stem and of the first stage, doubled by each
  std::int64_t stem_kernel = 7;  ///< pixels
  std::int64_t stem_stride = 2;
  bool pool = true;           ///< max-pool of stride 2 behind the stem
  std::int64_t channels = 3;  ///< of the images
  bool imagenet = true;       ///< reads three channels, normalised as ImageNet's
  std::int64_t classes = 1000;
};

/// Residual network (He et al., arXiv 1512.03385) in torchvision's layout and keys: the stride of a
/// bottleneck stands in its 3x3 convolution, batch norm with eps 1e-5 and momentum 0.1.
class ResNet : public ImageNetwork {
 public:
  static constexpr std::int64_t kSide = 224;  ///< pixels of ImageNet's weights

  /// @param seed  of the initial weights; none = left undefined, to be filled
  explicit ResNet(const ResNetOptions& options, std::optional<std::uint64_t> seed = 0);

  at::Tensor prepare(const at::Tensor& images, std::int64_t side) const override;
  at::Tensor features(const at::Tensor& images) override;
  at::Tensor classify(const at::Tensor& features) const override;
  /// The stem's convolution, what goes into the first stage, and what each stage gives.
  std::vector<at::Tensor> stages(const at::Tensor& images);

  const ResNetOptions& options() const { return options_; }

 private:
  class Block;
  using Stage = std::vector<std::shared_ptr<Block>>;

  ResNetOptions options_;
  std::shared_ptr<Convolution> stem_;
  std::shared_ptr<BatchNorm> stem_norm_;
  std::vector<Stage> stages_;
  std::shared_ptr<nn::Linear> classifier_;
};

/// A ResNet for images of 32 to 128 pixels that is trained from scratch: 3x3 stem, no pooling,
/// three stages of basic blocks, 0.3 M parameters.
/// @param side  of the images, pixels: from 64 on the stem has stride 2
ResNetOptions small_resnet(std::int64_t channels, std::int64_t side, std::int64_t classes);

}  // namespace medaug
