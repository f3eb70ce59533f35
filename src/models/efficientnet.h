// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "models/conv_layers.h"
#include "models/image_network.h"

namespace medaug {

/// EfficientNet-Lite0 (Tan and Le, arXiv 1905.11946, without squeeze-and-excitation and with ReLU6)
/// with the keys of the PyPI package efficientnet-lite-pytorch.
class EfficientNetLite0 : public ImageNetwork {
 public:
  static constexpr std::int64_t kSide = 224;       ///< pixels it was trained with
  static constexpr std::int64_t kFeatures = 1280;  ///< width of `features`

  /// @param seed  of the initial weights; none = left undefined, to be filled
  explicit EfficientNetLite0(std::int64_t classes = 1000, std::optional<std::uint64_t> seed = 0);

  /// Three channels, (level - 127) / 128.
  at::Tensor prepare(const at::Tensor& images, std::int64_t side = kSide) const override;
  at::Tensor features(const at::Tensor& images) override;  // (N, kFeatures)
  at::Tensor classify(const at::Tensor& features) const override;

 private:
  class Block;

  std::shared_ptr<Convolution> stem_, head_;
  std::shared_ptr<BatchNorm> stem_norm_, head_norm_;
  std::vector<std::shared_ptr<Block>> blocks_;
  std::shared_ptr<nn::Linear> classifier_;
};

}  // namespace medaug
