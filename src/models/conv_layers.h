// SPDX-License-Identifier: MIT
#pragma once

#include "nn/layers.h"

// Layers of the convolutional networks (segmenter, classifiers, feature extractors): (N, C, H, W)
// in and out, keys as in torch.nn.

namespace medaug {

enum class Padding {
  kHalf,  ///< kernel / 2 on every side
  kSame,  ///< TensorFlow's: as much as ceil(size / stride) outputs need, the odd pixel behind
};

struct ConvolutionOptions {
  std::int64_t in = 0, out = 0;
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  std::int64_t groups = 1;
  bool bias = false;
  Padding padding = Padding::kHalf;
};

class Convolution : public torch::nn::Module {
 public:
  /// Weights normal with variance 2 / fan_out (He et al., arXiv 1502.01852); fan_out is that of one
  /// group, as in TensorFlow's EfficientNet.
  Convolution(const ConvolutionOptions& options, nn::Initializer& init);
  /// In the dtype of `x`; weights of another one are converted.
  at::Tensor forward(const at::Tensor& x) const;

  at::Tensor weight;  ///< (out, in / groups, kernel, kernel)
  at::Tensor bias;    ///< (out), or undefined

 private:
  ConvolutionOptions options_;
};

/// Batch statistics while training (`train()`), running ones otherwise (`eval()`).
class BatchNorm : public torch::nn::Module {
 public:
  BatchNorm(std::int64_t channels, double eps, double momentum, nn::Initializer& init);
  at::Tensor forward(const at::Tensor& x);
  /// Weight of the newest batch in the running statistics.
  void set_momentum(double momentum) { momentum_ = momentum; }

  at::Tensor weight, bias, running_mean, running_var, num_batches_tracked;

 private:
  double eps_, momentum_;
};

/// Parameters and buffers of a module under their keys: what its weights file holds.
std::vector<std::pair<std::string, at::Tensor>> all_tensors(const torch::nn::Module& module);

}  // namespace medaug
