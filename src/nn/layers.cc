// SPDX-License-Identifier: MIT
#include "nn/layers.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>

#include <cmath>
#include <vector>

#include "nn/adapter.h"

namespace medaug::nn {
namespace {

constexpr std::int64_t kChannelBlock = 16;

std::int64_t product(at::IntArrayRef shape) {
  std::int64_t n = 1;
  for (const auto side : shape) {
    n *= side;
  }
  return n;
}

std::span<float> floats_of(const Tensor& x) {
  return {x.mutable_data_ptr<float>(), static_cast<std::size_t>(x.numel())};
}

Tensor make(at::IntArrayRef shape, std::int64_t fan_in, std::int64_t fan_out, Init init,
            Initializer& initializer) {
  switch (init) {
    case Init::kXavier:
      return initializer.xavier(shape, fan_in, fan_out);
    case Init::kNormal02:
      return initializer.normal(shape, 0.02);
    case Init::kZero:
      break;
  }
  return initializer.constant(shape, 0.0);
}

}  // namespace

Tensor Initializer::constant(at::IntArrayRef shape, double value) {
  ++made_;
  return at::full(shape, value, at::TensorOptions().dtype(at::kFloat).device(device_));
}

template <class Draw>
Tensor Initializer::drawn(at::IntArrayRef shape, Draw&& draw) {
  const auto number = made_++;
  if (device_.is_meta()) {
    return at::empty(shape, at::TensorOptions().device(device_));
  }
  auto x = at::empty(shape, at::TensorOptions().dtype(at::kFloat));
  if (seed_) {
    RandomStream stream(*seed_, Purpose::kInit, number);
    draw(stream, floats_of(x));
  }
  return x.to(device_);
}

Tensor Initializer::normal(at::IntArrayRef shape, double std) {
  return drawn(shape, [std](RandomStream& stream, std::span<float> values) {
    stream.fill_normal(values);
    for (auto& value : values) {
      value *= static_cast<float>(std);
    }
  });
}

Tensor Initializer::uniform(at::IntArrayRef shape, double bound) {
  return drawn(shape, [bound](RandomStream& stream, std::span<float> values) {
    for (auto& value : values) {
      value = static_cast<float>(stream.uniform(-bound, bound));
    }
  });
}

Tensor Initializer::xavier(at::IntArrayRef shape, std::int64_t fan_in, std::int64_t fan_out) {
  return uniform(shape, std::sqrt(6.0 / static_cast<double>(fan_in + fan_out)));
}

Tensor Initializer::fan_in(at::IntArrayRef shape, std::int64_t fan) {
  return uniform(shape, std::sqrt(3.0 / static_cast<double>(fan)));
}

Linear::Linear(std::int64_t in, std::int64_t out, bool with_bias, Init init,
               Initializer& initializer)
    : weight(register_parameter("weight", make({out, in}, in, out, init, initializer))) {
  if (with_bias) {
    bias = register_parameter("bias", initializer.constant({out}, 0.0));
  }
}

Tensor Linear::forward(const Tensor& x) const {
  return add_adapters(bias.defined() ? at::linear(x, weight, bias) : at::linear(x, weight), x,
                      {this});
}

void Linear::add_adapter(std::int64_t rank, double scale, Initializer& initializer) {
  const auto in = weight.size(1), out = weight.size(0);
  adapter.a = register_parameter("lora_A", initializer.fan_in({rank, in}, in));
  adapter.b = register_parameter("lora_B", initializer.constant({out, rank}, 0.0));
  adapter.scale = scale;
}

RmsWeight::RmsWeight(std::int64_t width, Initializer& initializer)
    : weight(register_parameter("weight", initializer.constant({width}, 1.0))) {}

LayerNormWeight::LayerNormWeight(std::int64_t width, Initializer& initializer)
    : weight(register_parameter("weight", initializer.constant({width}, 1.0))),
      bias(register_parameter("bias", initializer.constant({width}, 0.0))) {}

Conv3x3::Conv3x3(std::int64_t in, std::int64_t out, Init init, Initializer& initializer)
    : weight(
          register_parameter("weight", make({out, in, 3, 3}, 9 * in, 9 * out, init, initializer))),
      bias(register_parameter("bias", initializer.constant({out}, 0.0))) {}

Tensor Conv3x3::forward(const Tensor& nhwc) const { return conv3x3(nhwc, weight, bias); }

Tensor conv3x3(const Tensor& nhwc, const Tensor& weight, const Tensor& bias) {
  const std::vector<std::int64_t> one{1, 1};
  const auto in = weight.size(1), out = weight.size(0);
  const auto more_in = (kChannelBlock - in % kChannelBlock) % kChannelBlock;
  const auto more_out = (kChannelBlock - out % kChannelBlock) % kChannelBlock;
  auto x = nhwc, w = weight, b = bias;
  if (more_in > 0) {
    x = at::constant_pad_nd(x, {0, more_in});
    w = at::constant_pad_nd(w, {0, 0, 0, 0, 0, more_in});
  }
  if (more_out > 0) {
    w = at::constant_pad_nd(w, {0, 0, 0, 0, 0, 0, 0, more_out});
    b = at::constant_pad_nd(b, {0, more_out});
  }
  x = x.permute({0, 3, 1, 2});  // (N, C, H, W), channels last
  const auto y = at::convolution(x, w, b, one, one, one, false, {0, 0}, 1);
  return y.permute({0, 2, 3, 1})
      .contiguous()
      .slice(3, 0, out);  // (N, H, W, C): no copy where y is channels last
}

std::int64_t parameter_count(const torch::nn::Module& module) {
  std::int64_t count = 0;
  for (const auto& parameter : module.parameters()) {
    count += product(parameter.sizes());
  }
  return count;
}

std::vector<Tensor> trained_parameters(const torch::nn::Module& module) {
  std::vector<Tensor> out;
  for (const auto& parameter : module.parameters()) {
    if (parameter.requires_grad()) {
      out.push_back(parameter);
    }
  }
  return out;
}

std::vector<std::pair<std::string, Tensor>> named_parameters(const torch::nn::Module& module) {
  std::vector<std::pair<std::string, Tensor>> out;
  for (const auto& item : module.named_parameters()) {
    out.emplace_back(item.key(), item.value());
  }
  return out;
}

}  // namespace medaug::nn
