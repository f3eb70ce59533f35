// SPDX-License-Identifier: MIT
// The plain meaning of every fused operator, in ATen: used on other devices and dtypes, and by the
// tests.

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/instance_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>

#include <cmath>

#include "nn/ops.h"

namespace medaug::nn {

at::Tensor wide(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
}

namespace reference {
namespace {

using at::Tensor;

Tensor normalised(const Tensor& x, const Tensor& multiplier, double eps) {
  const auto wide = nn::wide(x);
  const auto inverse = (wide.square().mean(-1, true) + eps).rsqrt();  // (B, N, 1)
  return wide * inverse * multiplier.unsqueeze(1).to(wide.scalar_type());
}

Tensor repeat_heads(const Tensor& x, std::int64_t heads) {
  return x.size(1) == heads ? x : x.repeat_interleave(heads / x.size(1), 1);
}

// Adjacent pairs of x (B, H, N, d) turned.
Tensor rotated(const Tensor& x, const Tensor& rotary) {
  const auto pairs = x.unflatten(-1, {-1, 2});                           // (B, H, N, d/2, 2)
  const auto angles = rotary.dim() == 4 ? rotary.unsqueeze(1) : rotary;  // (..., N, d/2, 2)
  const auto cos = angles.select(-1, 0), sin = angles.select(-1, 1);     // (N, d/2)
  const auto a = pairs.select(-1, 0), b = pairs.select(-1, 1);
  return at::stack({a * cos - b * sin, a * sin + b * cos}, -1).flatten(-2);  // (B, H, N, d)
}

}  // namespace

Tensor rms_norm(const Tensor& x, const Tensor& multiplier, double eps, Activation activation) {
  const auto y = normalised(x, multiplier, eps);
  return (activation == Activation::kSilu ? at::silu(y) : y).to(x.scalar_type());
}

Tensor add_rms_norm(const Tensor& x, const Tensor& y, const Tensor& multiplier, double eps) {
  return (nn::wide(x) + normalised(y, multiplier, eps)).to(x.scalar_type());
}

std::vector<Tensor> split_heads(const Tensor& x, const std::vector<HeadGroup>& groups,
                                const Tensor& rotary, double eps) {
  std::int64_t heads = 0;
  for (const auto& group : groups) {
    heads += group.heads;
  }
  const auto head_dim = x.size(2) / heads;
  std::vector<Tensor> out;
  std::int64_t offset = 0;
  for (const auto& group : groups) {
    const auto width = group.heads * head_dim;
    auto part = nn::wide(x.narrow(2, offset, width));
    const auto type = part.scalar_type();
    if (group.weight.defined()) {
      part = at::layer_norm(part, {width}, group.weight.to(type), group.bias.to(type), eps);
    }
    part =
        part.view({x.size(0), x.size(1), group.heads, head_dim}).transpose(1, 2);  // (B, H, N, d)
    if (group.rotate && rotary.defined()) {
      part = rotated(part, rotary.to(type));
    }
    out.push_back(part.to(x.scalar_type()).contiguous());
    offset += width;
  }
  return out;
}

Tensor swiglu(const Tensor& ab) {
  const auto halves = ab.chunk(2, -1);
  return at::silu(halves[0]) * halves[1];
}

Tensor leaky_instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                           double slope) {
  const auto all = nn::wide(x);
  const auto type = all.scalar_type();
  const auto y =
      at::instance_norm(all, weight.to(type), bias.to(type), {}, {}, true, 0.0, eps, false);
  return at::leaky_relu(y, slope).to(x.scalar_type(), false, false, at::MemoryFormat::ChannelsLast);
}

Tensor attention(const AttentionInputs& in) {
  const auto heads = in.q.size(1);
  const auto mask = [](const Tensor& allowed) -> std::optional<Tensor> {
    if (!allowed.defined()) {
      return std::nullopt;
    }
    return allowed.unsqueeze(1).unsqueeze(1);  // (B, 1, 1, keys)
  };
  auto out =
      at::scaled_dot_product_attention(in.q, repeat_heads(in.k, heads), repeat_heads(in.v, heads),
                                       mask(in.key_mask), 0.0, false, in.scale);
  if (in.caption_k.defined()) {
    const double scale = 1.0 / std::sqrt(static_cast<double>(in.q.size(3)));
    const auto cross = at::scaled_dot_product_attention(in.q, repeat_heads(in.caption_k, heads),
                                                        repeat_heads(in.caption_v, heads),
                                                        mask(in.caption_mask), 0.0, false, scale);
    out = out + in.gate.to(out.scalar_type()).view({1, heads, 1, 1}) * cross;
  }
  return out.transpose(1, 2).flatten(2);  // (B, N, H * d)
}

}  // namespace reference
}  // namespace medaug::nn
