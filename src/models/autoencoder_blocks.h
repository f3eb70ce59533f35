// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/autoencoder_options.h"
#include "models/conv_layers.h"
#include "nn/group_norm.h"

// The two halves of the autoencoder, with diffusers' parameter names. Forward only, under
// NoGradGuard. Where a function takes an image by value it may write over it: at 1024 x 1024 one
// copy of the widest level is a gigabyte. Shapes: N images, C channels.

namespace medaug::autoencoder {

using at::Tensor;

/// Sees the tensors between the stages, under the name of the stage.
using Observer = std::function<void(const std::string& name, const Tensor& value)>;

class Norm : public nn::LayerNormWeight {
 public:
  Norm(std::int64_t width, std::int64_t groups, nn::Initializer& init)
      : LayerNormWeight(width, init), groups_(groups) {}
  Tensor forward(const Tensor& x, nn::Activation activation, nn::Storage storage) const;

 private:
  std::int64_t groups_;
};

/// Norm, SiLU, convolution, twice, and the input beside it.
class Resnet : public torch::nn::Module {
 public:
  Resnet(std::int64_t in, std::int64_t out, std::int64_t groups, nn::Initializer& init);
  Tensor forward(Tensor x) const;  // (N, out, H, W)

 private:
  std::shared_ptr<Norm> norm1_, norm2_;
  std::shared_ptr<Convolution> conv1_, conv2_, shortcut_;  ///< the last one where widths differ
};

/// Self-attention of all places with one head; the softmax is float32.
class MidAttention : public torch::nn::Module {
 public:
  MidAttention(std::int64_t width, std::int64_t groups, nn::Initializer& init);
  Tensor forward(const Tensor& x) const;

 private:
  std::shared_ptr<Norm> group_norm_;
  std::shared_ptr<nn::Linear> to_q_, to_k_, to_v_, to_out_;
};

class Mid : public torch::nn::Module {
 public:
  Mid(std::int64_t width, const AutoencoderOptions& options, nn::Initializer& init);
  Tensor forward(Tensor x) const;

 private:
  std::shared_ptr<Resnet> before_, after_;
  std::shared_ptr<MidAttention> attention_;
};

/// Twice the side by nearest neighbour, then a 3 x 3 convolution, without making the wide image:
/// each of the four places that come from one sees 2 x 2 places through sums of the kernel's taps.
/// @param weight  (out, C, 3, 3)
Tensor upsample_convolution(const Tensor& x, const Tensor& weight, const Tensor& bias);

enum class Resample { kNone, kDown, kUp };

/// Residual blocks of one width, then half or twice the side.
class Level : public torch::nn::Module {
 public:
  struct Shape {
    std::int64_t in = 0, out = 0, resnets = 0;
    Resample resample = Resample::kNone;
  };
  Level(const Shape& shape, std::int64_t groups, nn::Initializer& init);
  Tensor forward(Tensor x) const;

 private:
  Resample resample_;
  std::vector<std::shared_ptr<Resnet>> resnets_;
  std::shared_ptr<Convolution> resampler_;
};

class Encoder : public torch::nn::Module {
 public:
  Encoder(const AutoencoderOptions& options, nn::Initializer& init);
  /// @return (N, 2 latent channels, H / downscale, W / downscale)
  Tensor forward(const Tensor& images, const Observer& observe) const;

 private:
  std::shared_ptr<Convolution> conv_in_, conv_out_;
  std::shared_ptr<Norm> norm_out_;
  std::shared_ptr<Mid> mid_;
  std::vector<std::shared_ptr<Level>> levels_;
};

class Decoder : public torch::nn::Module {
 public:
  Decoder(const AutoencoderOptions& options, nn::Initializer& init);
  /// @return (N, out channels, h downscale, w downscale)
  Tensor forward(const Tensor& latents, const Observer& observe) const;
  const std::shared_ptr<Convolution>& first_layer() const { return conv_in_; }

 private:
  std::shared_ptr<Convolution> conv_in_, conv_out_;
  std::shared_ptr<Norm> norm_out_;
  std::shared_ptr<Mid> mid_;
  std::vector<std::shared_ptr<Level>> levels_;
};

}  // namespace medaug::autoencoder
