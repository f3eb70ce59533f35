// SPDX-License-Identifier: MIT
#include "models/resnet.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tensor.h>

#include <array>
#include <string>

namespace medaug {

using at::Tensor;

namespace {

constexpr double kEps = 1e-5, kMomentum = 0.1;
constexpr std::int64_t kExpansion = 4;

}  // namespace

/// Basic: 3x3, 3x3. Bottleneck: 1x1, 3x3, 1x1. Each with a batch norm behind, and a short cut that
/// is a 1x1 convolution where the shape changes.
class ResNet::Block : public torch::nn::Module {
 public:
  struct Shape {
    std::int64_t in, planes, stride;
    bool bottleneck;
    std::int64_t out() const { return bottleneck ? kExpansion * planes : planes; }
  };

  Block(const Shape& s, nn::Initializer& init) {
    if (s.bottleneck) {
      add({.in = s.in, .out = s.planes, .kernel = 1}, init);
      add({.in = s.planes, .out = s.planes, .stride = s.stride}, init);
      add({.in = s.planes, .out = s.out(), .kernel = 1}, init);
    } else {
      add({.in = s.in, .out = s.planes, .stride = s.stride}, init);
      add({.in = s.planes, .out = s.planes}, init);
    }
    if (s.stride != 1 || s.in != s.out()) {
      const auto list = register_module("downsample", std::make_shared<nn::Indexed>());
      short_cut_ = list->add(
          0, std::make_shared<Convolution>(
                 ConvolutionOptions{.in = s.in, .out = s.out(), .kernel = 1, .stride = s.stride},
                 init));
      short_cut_norm_ = list->add(1, std::make_shared<BatchNorm>(s.out(), kEps, kMomentum, init));
    }
  }

  Tensor forward(const Tensor& x) {
    auto y = x;
    for (std::size_t i = 0; i < convolutions_.size(); ++i) {
      y = norms_[i]->forward(convolutions_[i]->forward(y));
      if (i + 1 < convolutions_.size()) {
        y = at::relu(y);
      }
    }
    return at::relu(y + (short_cut_ ? short_cut_norm_->forward(short_cut_->forward(x)) : x));
  }

 private:
  void add(const ConvolutionOptions& options, nn::Initializer& init) {
    const auto number = std::to_string(convolutions_.size() + 1);
    convolutions_.push_back(
        register_module("conv" + number, std::make_shared<Convolution>(options, init)));
    norms_.push_back(register_module(
        "bn" + number, std::make_shared<BatchNorm>(options.out, kEps, kMomentum, init)));
  }

  std::vector<std::shared_ptr<Convolution>> convolutions_;
  std::vector<std::shared_ptr<BatchNorm>> norms_;
  std::shared_ptr<Convolution> short_cut_;
  std::shared_ptr<BatchNorm> short_cut_norm_;
};

ResNet::ResNet(const ResNetOptions& o, std::optional<std::uint64_t> seed) : options_(o) {
  nn::Initializer init(seed);
  stem_ = register_module(
      "conv1",
      std::make_shared<Convolution>(
          ConvolutionOptions{
              .in = o.channels, .out = o.width, .kernel = o.stem_kernel, .stride = o.stem_stride},
          init));
  stem_norm_ = register_module("bn1", std::make_shared<BatchNorm>(o.width, kEps, kMomentum, init));
  auto width = o.width;
  for (std::size_t stage = 0; stage < o.blocks.size(); ++stage) {
    const auto list =
        register_module("layer" + std::to_string(stage + 1), std::make_shared<nn::Indexed>());
    auto& blocks = stages_.emplace_back();
    for (std::int64_t i = 0; i < o.blocks[stage]; ++i) {
      const Block::Shape shape{width, o.width << stage, i == 0 && stage > 0 ? 2 : 1, o.bottleneck};
      blocks.push_back(list->add(i, std::make_shared<Block>(shape, init)));
      width = shape.out();
    }
  }
  classifier_ = register_module(
      "fc", std::make_shared<nn::Linear>(width, o.classes, true, nn::Init::kXavier, init));
}

Tensor ResNet::prepare(const Tensor& images, std::int64_t side) const {
  if (!options_.imagenet) {
    return images;
  }
  // Mean and deviation of ImageNet's training images in [0, 1], as torchvision has them.
  constexpr std::array<double, 3> kMean{0.485, 0.456, 0.406}, kDeviation{0.229, 0.224, 0.225};
  const auto plane = [](const std::array<double, 3>& x) {
    return at::tensor(at::ArrayRef<double>(x), at::kFloat).view({1, 3, 1, 1});
  };
  const auto x = (three_channels(images, side) + 1.0) * 0.5;
  return (x - plane(kMean)) / plane(kDeviation);
}

std::vector<Tensor> ResNet::stages(const Tensor& images) {
  std::vector<Tensor> out{stem_->forward(images)};
  auto x = at::relu(stem_norm_->forward(out.back()));
  if (options_.pool) {
    x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
  }
  out.push_back(x);
  for (const auto& stage : stages_) {
    for (const auto& block : stage) {
      x = block->forward(x);
    }
    out.push_back(x);
  }
  return out;
}

Tensor ResNet::features(const Tensor& images) {
  return stages(images).back().to(at::kFloat).mean({2, 3});
}

Tensor ResNet::classify(const Tensor& features) const { return classifier_->forward(features); }

ResNetOptions small_resnet(std::int64_t channels, std::int64_t side, std::int64_t classes) {
  return {.blocks = {1, 1, 1},
          .bottleneck = false,
          .width = 32,
          .stem_kernel = 3,
          .stem_stride = side < 64 ? 1 : 2,
          .pool = false,
          .channels = channels,
          .imagenet = false,
          .classes = classes};
}

}  // namespace medaug
