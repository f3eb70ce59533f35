// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <vector>

#include "models/options.h"
#include "nn/layers.h"

namespace medaug {

/// norm, SiLU, 3 x 3, norm, SiLU, 3 x 3, and the sum with what came in; the first norm is scaled by
/// the condition.
class ConvBlock : public torch::nn::Module {
 public:
  ConvBlock(std::int64_t channels, std::int64_t condition_dim, double eps, nn::Initializer& init);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& condition) const;  // (N, H, W, c)

 private:
  double eps_;
  std::shared_ptr<nn::RmsWeight> norm1_, norm2_;
  std::shared_ptr<nn::Linear> modulation_;
  std::shared_ptr<nn::Conv3x3> conv1_, conv2_;
};

/// Convolutional ends around the transformer, with skips (as in U-ViT and simple diffusion, arXiv
/// 2301.11093): each level halves the side, the last one is cut into tokens. They leave no seams
/// between patches.
class ConvEnds : public torch::nn::Module {
 public:
  ConvEnds(const NextDiTOptions& options, nn::Initializer& init);

  /// @param x (N, C, H, W)  @param mask (N, K + 1, H, W) or undefined  @param skips  filled, full
  /// resolution first
  at::Tensor encode(const at::Tensor& x, const at::Tensor& mask, const at::Tensor& condition,
                    std::vector<at::Tensor>& skips) const;  // (N, T, token_width)
  at::Tensor decode(const at::Tensor& tokens, const std::vector<at::Tensor>& skips,
                    const at::Tensor& condition) const;

  std::int64_t token_width() const;  ///< features of one token on both sides of the transformer

 private:
  std::int64_t patch_;  ///< of the last level
  double eps_;
  std::vector<std::int64_t> channels_;
  std::shared_ptr<nn::Conv3x3> conv_in_, mask_in_, conv_out_;
  std::shared_ptr<nn::RmsWeight> norm_out_;
  std::vector<std::shared_ptr<ConvBlock>> down_blocks_, up_blocks_;
  std::vector<std::shared_ptr<nn::Linear>> downs_, ups_, merges_;
};

}  // namespace medaug
