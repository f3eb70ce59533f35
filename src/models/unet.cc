// SPDX-License-Identifier: MIT
#include "models/unet.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/convolution.h>

#include <algorithm>
#include <cmath>

#include "nn/ops.h"

namespace medaug {

using at::Tensor;

namespace {

constexpr double kSlope = 0.01, kEps = 1e-5;
constexpr std::int64_t kWidest = 512;

}  // namespace

/// Twice: 3 x 3 convolution, instance norm, leaky ReLU.
class UNet::Stage : public torch::nn::Module {
 public:
  Stage(std::int64_t in, std::int64_t out, std::int64_t stride, nn::Initializer& init) {
    for (std::size_t i = 0; i < 2; ++i) {
      const auto number = std::to_string(i);
      convolutions_[i] = register_module(
          "conv" + number,
          std::make_shared<Convolution>(
              ConvolutionOptions{
                  .in = i == 0 ? in : out, .out = out, .stride = i == 0 ? stride : 1},
              init));
      norms_[i] =
          register_module("norm" + number, std::make_shared<nn::LayerNormWeight>(out, init));
    }
  }

  Tensor forward(Tensor x) const {
    for (std::size_t i = 0; i < 2; ++i) {
      x = convolutions_[i]->forward(x);
      x = nn::leaky_instance_norm(x, norms_[i]->weight, norms_[i]->bias, kEps, kSlope);
    }
    return x;
  }

 private:
  std::shared_ptr<Convolution> convolutions_[2];
  std::shared_ptr<nn::LayerNormWeight> norms_[2];
};

/// Transposed 2 x 2 convolution of stride 2.
class UNet::Up : public torch::nn::Module {
 public:
  Up(std::int64_t in, std::int64_t out, nn::Initializer& init) {
    weight_ = register_parameter(
        "weight", init.normal({in, out, 2, 2}, std::sqrt(1.0 / static_cast<double>(in))));
    bias_ = register_parameter("bias", init.constant({out}, 0.0));
  }
  Tensor forward(const Tensor& x) const {
    return at::convolution(x, weight_, bias_, {2, 2}, {0, 0}, {1, 1}, true, {0, 0}, 1);
  }

 private:
  Tensor weight_, bias_;
};

UNet::UNet(const UNetOptions& o, std::optional<std::uint64_t> seed) : options_(o) {
  nn::Initializer init(seed);
  const auto width_at = [&](std::int64_t level) { return std::min(o.width << level, kWidest); };
  for (std::int64_t level = 0; level < o.levels; ++level) {
    const auto in = level == 0 ? o.in_channels : width_at(level - 1);
    down_.push_back(
        register_module("down" + std::to_string(level),
                        std::make_shared<Stage>(in, width_at(level), level == 0 ? 1 : 2, init)));
  }
  for (std::int64_t level = o.levels - 2; level >= 0; --level) {
    const auto width = width_at(level);
    widen_.push_back(register_module("widen" + std::to_string(level),
                                     std::make_shared<Up>(width_at(level + 1), width, init)));
    up_.push_back(register_module("up" + std::to_string(level),
                                  std::make_shared<Stage>(2 * width, width, 1, init)));
  }
  out_ = register_module(
      "out",
      std::make_shared<Convolution>(
          ConvolutionOptions{.in = o.width, .out = o.classes, .kernel = 1, .bias = true}, init));
}

std::vector<Tensor> UNet::encode(const Tensor& images) const {
  std::vector<Tensor> levels;
  auto x = images.to(out_->weight.scalar_type(), false, false, at::MemoryFormat::ChannelsLast);
  for (const auto& stage : down_) {
    x = stage->forward(x);
    levels.push_back(x);
  }
  return levels;
}

Tensor UNet::forward(const Tensor& images) const {
  const auto levels = encode(images);
  auto x = levels.back();
  for (std::size_t i = 0; i < up_.size(); ++i) {
    const auto& skip = levels[levels.size() - 2 - i];
    // An odd side comes back one pixel longer.
    x = widen_[i]->forward(x).slice(2, 0, skip.size(2)).slice(3, 0, skip.size(3));
    x = up_[i]->forward(at::cat({skip, x}, 1));
  }
  return out_->forward(x);
}

Tensor UNet::features(const Tensor& images) const {
  return encode(images).back().to(at::kFloat).mean({2, 3});
}

}  // namespace medaug
