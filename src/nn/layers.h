// SPDX-License-Identifier: MIT
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"

namespace medaug::nn {

using at::Tensor;

/// Makes initial weights, float32. Each tensor draws from its own stream, keyed by the seed and by
/// how many were made before it. On the meta device nothing is allocated or drawn: that is how a
/// 2-billion-parameter model is counted. Without a seed, values that would be drawn are left
/// undefined, for a model that is filled from a file.
class Initializer {
 public:
  explicit Initializer(std::optional<std::uint64_t> seed, at::Device device = at::kCPU)
      : seed_(seed), device_(device) {}

  Tensor constant(at::IntArrayRef shape, double value);
  Tensor normal(at::IntArrayRef shape, double std);
  /// Uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010).
  Tensor xavier(at::IntArrayRef shape, std::int64_t fan_in, std::int64_t fan_out);
  /// Uniform in +-sqrt(3 / fan_in): keeps the variance through a layer without activation.
  Tensor fan_in(at::IntArrayRef shape, std::int64_t fan_in);

 private:
  Tensor uniform(at::IntArrayRef shape, double bound);
  template <class Draw>
  Tensor drawn(at::IntArrayRef shape, Draw&& draw);

  std::optional<std::uint64_t> seed_;
  std::uint64_t made_ = 0;
  at::Device device_;
};

enum class Init { kXavier, kZero, kNormal02 };

/// A low-rank term beside a weight: scale (x A^T) B^T (LoRA; Hu et al., arXiv 2106.09685, section
/// 4.1).
struct Adapter {
  Tensor a = {};  ///< (rank, in), or undefined = no adapter
  Tensor b = {};  ///< (out, rank)
  double scale = 0.0;
  Tensor kept = {};  ///< (in) factors of the inputs, or undefined = ones: dropout
};

/// y = x W^T + b, and the adapter's term where there is one. Keys: weight (out, in), bias (out),
/// lora_A, lora_B.
class Linear : public torch::nn::Module {
 public:
  Linear(std::int64_t in, std::int64_t out, bool with_bias, Init init, Initializer& initializer);
  Tensor forward(const Tensor& x) const;
  /// A keeps the variance of its input, B is zero: the output stays as it is.
  void add_adapter(std::int64_t rank, double scale, Initializer& initializer);

  Tensor weight;
  Tensor bias;
  Adapter adapter;
};

/// The outputs of several layers without bias for the same x, side by side: one product instead of
/// several. Weights that lie one behind another in memory (`gather_parameters`) are not copied.
/// @return (..., sum of out)
Tensor linear_together(const Tensor& x, std::initializer_list<const Linear*> layers);

/// Moves all parameters of a module into one block of memory, in their order.
void gather_parameters(torch::nn::Module& module);
/// The same for some parameters of one dtype and device; at least one.
void gather_parameters(const std::vector<Tensor>& parameters);

/// Those that require a gradient, in the module's order.
std::vector<Tensor> trained_parameters(const torch::nn::Module& module);

/// Holds the weight of an RMS norm; the norm itself is fused with what follows it (nn/ops.h).
class RmsWeight : public torch::nn::Module {
 public:
  RmsWeight(std::int64_t width, Initializer& initializer);
  Tensor weight;  ///< (D)
};

/// Weight and bias of a layer norm.
class LayerNormWeight : public torch::nn::Module {
 public:
  LayerNormWeight(std::int64_t width, Initializer& initializer);
  Tensor weight;  ///< (D)
  Tensor bias;    ///< (D)
};

/// 3 x 3 convolution with zero padding on images whose channels are last in memory: (N, H, W, C) in
/// and out.
class Conv3x3 : public torch::nn::Module {
 public:
  Conv3x3(std::int64_t in, std::int64_t out, Init init, Initializer& initializer);
  Tensor forward(const Tensor& nhwc) const;

  Tensor weight;  ///< (out, in, 3, 3)
  Tensor bias;
};

/// The same with given weights. Narrow channel counts are padded with zeros to a multiple of 16:
/// without that the library's weight gradient of a 3-channel convolution takes longer than all the
/// rest of a training step.
Tensor conv3x3(const Tensor& nhwc, const Tensor& weight, const Tensor& bias);

/// A numbered list of layers, so that keys read like the reference's (`mlp.0`, `mlp.2`).
class Indexed : public torch::nn::Module {
 public:
  template <class Layer>
  std::shared_ptr<Layer> add(std::int64_t index, std::shared_ptr<Layer> layer) {
    return register_module(std::to_string(index), std::move(layer));
  }
};

std::int64_t parameter_count(const torch::nn::Module& module);

/// The parameters under their keys, which are the names that checkpoints use.
std::vector<std::pair<std::string, Tensor>> named_parameters(const torch::nn::Module& module);

/// Runs `body(x, condition, caption)` without keeping its activations and runs it again in the
/// backward pass
/// ("activation checkpointing", Chen et al. 2016). The body must be deterministic; `caption` may be
/// undefined, and none of the three needs to require a gradient.
/// @param parameters  every leaf that the body uses and that is trained: others get no gradient
using CheckpointBody =
    std::function<Tensor(const Tensor& x, const Tensor& condition, const Tensor& caption)>;
Tensor checkpointed(const CheckpointBody& body, const std::vector<Tensor>& parameters,
                    const Tensor& x, const Tensor& condition, const Tensor& caption);

}  // namespace medaug::nn
