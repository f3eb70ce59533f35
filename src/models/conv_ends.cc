// SPDX-License-Identifier: MIT
#include "models/conv_ends.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include "nn/ops.h"

namespace medaug {
namespace {

using at::Tensor;
using nn::Activation;

// The fused norm works on (B, N, D): pixels are tokens.
Tensor norm_silu(const Tensor& nhwc, const Tensor& multiplier, double eps) {
  const auto y = nn::rms_norm(nhwc.flatten(1, 2), multiplier, eps, Activation::kSilu);
  return y.view(nhwc.sizes());
}

/// (N, H, W, c) to (N, H / p, W / p, p p c) and back.
Tensor space_to_depth(const Tensor& x, std::int64_t p) {
  if (p == 1) {
    return x;
  }
  const auto n = x.size(0), h = x.size(1) / p, w = x.size(2) / p, c = x.size(3);
  return x.view({n, h, p, w, p, c}).permute({0, 1, 3, 2, 4, 5}).reshape({n, h, w, p * p * c});
}
Tensor depth_to_space(const Tensor& x, std::int64_t p) {
  if (p == 1) {
    return x;
  }
  const auto n = x.size(0), h = x.size(1), w = x.size(2), c = x.size(3) / (p * p);
  return x.view({n, h, w, p, p, c}).permute({0, 1, 3, 2, 4, 5}).reshape({n, h * p, w * p, c});
}

Tensor channels_last(const Tensor& nchw) { return nchw.permute({0, 2, 3, 1}).contiguous(); }

}  // namespace

ConvBlock::ConvBlock(std::int64_t channels, std::int64_t condition_dim, double eps,
                     nn::Initializer& init)
    : eps_(eps),
      norm1_(register_module("norm1", std::make_shared<nn::RmsWeight>(channels, init))),
      norm2_(register_module("norm2", std::make_shared<nn::RmsWeight>(channels, init))),
      modulation_(register_module(
          "modulation",
          std::make_shared<nn::Linear>(condition_dim, channels, true, nn::Init::kZero, init))),
      conv1_(register_module(
          "conv1", std::make_shared<nn::Conv3x3>(channels, channels, nn::Init::kXavier, init))),
      conv2_(register_module(
          "conv2", std::make_shared<nn::Conv3x3>(channels, channels, nn::Init::kZero, init))) {}

Tensor ConvBlock::forward(const Tensor& x, const Tensor& condition) const {
  const auto scale = nn::wide(modulation_->forward(condition));           // (N, c)
  auto h = norm_silu(x, nn::wide(norm1_->weight) * (1.0 + scale), eps_);  // (N, H, W, c)
  h = conv1_->forward(h);
  h = norm_silu(h, nn::wide(norm2_->weight).unsqueeze(0), eps_);
  return x + conv2_->forward(h);
}

ConvEnds::ConvEnds(const NextDiTOptions& o, nn::Initializer& init)
    : patch_(o.patch_size >> (o.conv_channels.size() - 1)),
      eps_(o.norm_eps),
      channels_(o.conv_channels) {
  const auto condition = conditioning_dim(o);
  const auto linear = [&](const std::string& name, std::int64_t in, std::int64_t out) {
    return register_module(name,
                           std::make_shared<nn::Linear>(in, out, true, nn::Init::kXavier, init));
  };
  conv_in_ = register_module("conv_in", std::make_shared<nn::Conv3x3>(o.in_channels, channels_[0],
                                                                      nn::Init::kXavier, init));
  if (o.mask_classes > 0) {
    mask_in_ = register_module(
        "mask_in",
        std::make_shared<nn::Conv3x3>(o.mask_classes + 1, channels_[0], nn::Init::kXavier, init));
  }
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    const auto level = std::to_string(i);
    const auto c = channels_[i];
    down_blocks_.push_back(register_module("down_block_" + level,
                                           std::make_shared<ConvBlock>(c, condition, eps_, init)));
    up_blocks_.push_back(register_module("up_block_" + level,
                                         std::make_shared<ConvBlock>(c, condition, eps_, init)));
    merges_.push_back(linear("merge_" + level, 2 * c, c));
    if (i + 1 < channels_.size()) {
      downs_.push_back(linear("down_" + level, 4 * c, channels_[i + 1]));
      ups_.push_back(linear("up_" + level, channels_[i + 1], 4 * c));
    }
  }
  norm_out_ = register_module("norm_out", std::make_shared<nn::RmsWeight>(channels_[0], init));
  conv_out_ = register_module("conv_out", std::make_shared<nn::Conv3x3>(
                                              channels_[0], o.out_channels, nn::Init::kZero, init));
}

std::int64_t ConvEnds::token_width() const { return patch_ * patch_ * channels_.back(); }

Tensor ConvEnds::encode(const Tensor& x, const Tensor& mask, const Tensor& condition,
                        std::vector<Tensor>& skips) const {
  Tensor h;  // (N, H, W, c0): the sum of both branches, as one convolution
  if (mask.defined()) {
    h = nn::conv3x3(channels_last(at::cat({x, mask}, 1)),
                    at::cat({conv_in_->weight, mask_in_->weight}, 1),
                    conv_in_->bias + mask_in_->bias);
  } else {
    h = conv_in_->forward(channels_last(x));
  }
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    h = down_blocks_[i]->forward(h, condition);  // (N, H / 2^i, W / 2^i, c_i)
    skips.push_back(h);
    if (i + 1 < channels_.size()) {
      h = downs_[i]->forward(space_to_depth(h, 2));
    }
  }
  return space_to_depth(h, patch_).flatten(1, 2);  // (N, T, token_width)
}

Tensor ConvEnds::decode(const Tensor& tokens, const std::vector<Tensor>& skips,
                        const Tensor& condition) const {
  const auto& last = skips.back();
  auto h =
      tokens.view({tokens.size(0), last.size(1) / patch_, last.size(2) / patch_, token_width()});
  h = depth_to_space(h, patch_);  // (N, H / 2^(levels - 1), ..., c_last)
  for (std::size_t i = channels_.size(); i-- > 0;) {
    if (i + 1 < channels_.size()) {
      h = depth_to_space(ups_[i]->forward(h), 2);
    }
    h = merges_[i]->forward(at::cat({h, skips[i]}, -1));  // (N, H / 2^i, W / 2^i, c_i)
    h = up_blocks_[i]->forward(h, condition);
  }
  h = norm_silu(h, nn::wide(norm_out_->weight).unsqueeze(0), eps_);
  return conv_out_->forward(h).permute({0, 3, 1, 2}).contiguous();  // (N, C, H, W)
}

}  // namespace medaug
