// SPDX-License-Identifier: MIT
#include "models/conv_layers.h"

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <cmath>

namespace medaug {

using at::Tensor;

namespace {

// Pixels of padding before and behind a side.
std::pair<std::int64_t, std::int64_t> same_padding(std::int64_t size, std::int64_t kernel,
                                                   std::int64_t stride) {
  const std::int64_t outputs = (size + stride - 1) / stride;
  const std::int64_t all = std::max<std::int64_t>((outputs - 1) * stride + kernel - size, 0);
  return {all / 2, all - all / 2};
}

}  // namespace

Convolution::Convolution(const ConvolutionOptions& o, nn::Initializer& init) : options_(o) {
  const auto fan_out = static_cast<double>(o.out / o.groups * o.kernel * o.kernel);
  weight = register_parameter("weight", init.normal({o.out, o.in / o.groups, o.kernel, o.kernel},
                                                    std::sqrt(2.0 / fan_out)));
  if (o.bias) {
    bias = register_parameter("bias", init.constant({o.out}, 0.0));
  }
}

Tensor Convolution::forward(const Tensor& x_in) const {
  const auto& o = options_;
  std::int64_t padding = o.kernel / 2;
  auto x = x_in;
  if (o.padding == Padding::kSame && o.stride > 1) {
    const auto [top, bottom] = same_padding(x.size(2), o.kernel, o.stride);
    const auto [left, right] = same_padding(x.size(3), o.kernel, o.stride);
    x = at::constant_pad_nd(x, {left, right, top, bottom});
    padding = 0;
  }
  const auto dtype = x.scalar_type();
  const auto b = bias.defined() ? bias.to(dtype) : bias;
  return at::convolution(x, weight.to(dtype), b, {o.stride, o.stride}, {padding, padding}, {1, 1},
                         false, {0, 0}, o.groups);
}

BatchNorm::BatchNorm(std::int64_t channels, double eps, double momentum, nn::Initializer& init)
    : eps_(eps), momentum_(momentum) {
  weight = register_parameter("weight", init.constant({channels}, 1.0));
  bias = register_parameter("bias", init.constant({channels}, 0.0));
  running_mean = register_buffer("running_mean", init.constant({channels}, 0.0));
  running_var = register_buffer("running_var", init.constant({channels}, 1.0));
  num_batches_tracked =
      register_buffer("num_batches_tracked", at::scalar_tensor(0, at::dtype(at::kLong)));
}

Tensor BatchNorm::forward(const Tensor& x) {
  if (is_training()) {
    num_batches_tracked.add_(1);
  }
  return at::batch_norm(x, weight, bias, running_mean, running_var, is_training(), momentum_, eps_,
                        false);
}

std::vector<std::pair<std::string, Tensor>> all_tensors(const torch::nn::Module& module) {
  auto all = nn::named_parameters(module);
  for (const auto& item : module.named_buffers()) {
    all.emplace_back(item.key(), item.value());
  }
  return all;
}

}  // namespace medaug
