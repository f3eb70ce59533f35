// SPDX-License-Identifier: MIT
#include "models/efficientnet.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/hardtanh.h>

#include <array>

namespace medaug {

using at::Tensor;

namespace {

constexpr double kEps = 1e-3, kMomentum = 0.01;

struct Stage {
  std::int64_t repeats, kernel, stride, expand, out;
};
constexpr std::int64_t kStemWidth = 32;
constexpr std::array<Stage, 7> kStages{{{1, 3, 1, 1, 16},
                                        {2, 3, 2, 6, 24},
                                        {2, 5, 2, 6, 40},
                                        {3, 3, 2, 6, 80},
                                        {3, 5, 1, 6, 112},
                                        {4, 5, 2, 6, 192},
                                        {1, 3, 1, 6, 320}}};

Tensor clipped_relu(const Tensor& x) { return at::hardtanh(x, 0.0, 6.0); }

}  // namespace

/// Inverted bottleneck: widen, convolve each channel, narrow; with a short cut where the shape
/// stays.
class EfficientNetLite0::Block : public torch::nn::Module {
 public:
  Block(std::int64_t in, const Stage& s, std::int64_t stride, nn::Initializer& init)
      : short_cut_(stride == 1 && in == s.out) {
    const auto wide = in * s.expand;
    const auto conv = [&](const char* name, const ConvolutionOptions& options) {
      return register_module(name, std::make_shared<Convolution>(options, init));
    };
    const auto norm = [&](const char* name, std::int64_t channels) {
      return register_module(name, std::make_shared<BatchNorm>(channels, kEps, kMomentum, init));
    };
    if (s.expand > 1) {
      expand_ = conv("_expand_conv", {.in = in, .out = wide, .kernel = 1});
      expand_norm_ = norm("_bn0", wide);
    }
    depthwise_ = conv("_depthwise_conv", {.in = wide,
                                          .out = wide,
                                          .kernel = s.kernel,
                                          .stride = stride,
                                          .groups = wide,
                                          .padding = Padding::kSame});
    depthwise_norm_ = norm("_bn1", wide);
    project_ = conv("_project_conv", {.in = wide, .out = s.out, .kernel = 1});
    project_norm_ = norm("_bn2", s.out);
  }

  Tensor forward(const Tensor& x) {
    auto y = expand_ ? clipped_relu(expand_norm_->forward(expand_->forward(x))) : x;
    y = clipped_relu(depthwise_norm_->forward(depthwise_->forward(y)));
    y = project_norm_->forward(project_->forward(y));
    return short_cut_ ? x + y : y;
  }

 private:
  bool short_cut_;
  std::shared_ptr<Convolution> expand_, depthwise_, project_;
  std::shared_ptr<BatchNorm> expand_norm_, depthwise_norm_, project_norm_;
};

EfficientNetLite0::EfficientNetLite0(std::int64_t classes, std::optional<std::uint64_t> seed) {
  nn::Initializer init(seed);
  stem_ = register_module(
      "_conv_stem",
      std::make_shared<Convolution>(
          ConvolutionOptions{.in = 3, .out = kStemWidth, .stride = 2, .padding = Padding::kSame},
          init));
  stem_norm_ =
      register_module("_bn0", std::make_shared<BatchNorm>(kStemWidth, kEps, kMomentum, init));
  const auto list = register_module("_blocks", std::make_shared<nn::Indexed>());
  auto width = kStemWidth;
  for (const auto& stage : kStages) {
    for (std::int64_t i = 0; i < stage.repeats; ++i) {
      const auto stride = i == 0 ? stage.stride : 1;
      blocks_.push_back(list->add(static_cast<std::int64_t>(blocks_.size()),
                                  std::make_shared<Block>(width, stage, stride, init)));
      width = stage.out;
    }
  }
  head_ = register_module(
      "_conv_head", std::make_shared<Convolution>(
                        ConvolutionOptions{.in = width, .out = kFeatures, .kernel = 1}, init));
  head_norm_ =
      register_module("_bn1", std::make_shared<BatchNorm>(kFeatures, kEps, kMomentum, init));
  classifier_ = register_module(
      "_fc", std::make_shared<nn::Linear>(kFeatures, classes, true, nn::Init::kXavier, init));
}

Tensor EfficientNetLite0::features(const Tensor& images) {
  auto x = clipped_relu(stem_norm_->forward(stem_->forward(images)));
  for (const auto& block : blocks_) {
    x = block->forward(x);
  }
  return clipped_relu(head_norm_->forward(head_->forward(x))).to(at::kFloat).mean({2, 3});
}

Tensor EfficientNetLite0::classify(const Tensor& features) const {
  return classifier_->forward(features);
}

Tensor EfficientNetLite0::prepare(const Tensor& images, std::int64_t side) const {
  return ((three_channels(images, side) + 1.0) * 127.5 - 127.0) / 128.0;
}

}  // namespace medaug
