// SPDX-License-Identifier: MIT
#include "models/text_encoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>

#include <cmath>

#include "nn/ops.h"

namespace medaug {
namespace {

using at::Tensor;
using nn::Init;

constexpr double kEps = 1e-5;

Tensor norm(const Tensor& x, const std::shared_ptr<nn::RmsWeight>& weight) {
  return nn::rms_norm(x, nn::wide(weight->weight).unsqueeze(0), kEps);
}

}  // namespace

TextLayer::TextLayer(const TextEncoderOptions& o, nn::Initializer& init) : heads_(o.heads) {
  const auto linear = [&](const char* name, std::int64_t in, std::int64_t out) {
    return register_module(name, std::make_shared<nn::Linear>(in, out, false, Init::kXavier, init));
  };
  const auto hidden = 2 * o.dim;
  norm1_ = register_module("norm1", std::make_shared<nn::RmsWeight>(o.dim, init));
  norm2_ = register_module("norm2", std::make_shared<nn::RmsWeight>(o.dim, init));
  q_ = linear("q", o.dim, o.dim);
  k_ = linear("k", o.dim, o.dim);
  v_ = linear("v", o.dim, o.dim);
  out_ = linear("out", o.dim, o.dim);
  w1_ = linear("w1", o.dim, hidden);
  w3_ = linear("w3", o.dim, hidden);
  w2_ = linear("w2", hidden, o.dim);
}

Tensor TextLayer::forward(const Tensor& x, const Tensor& mask) const {
  const auto h = norm(x, norm1_);
  nn::AttentionInputs in;
  const auto qkv = nn::linear_together(h, {q_.get(), k_.get(), v_.get()});
  const auto heads =
      nn::split_heads(qkv, {{heads_}, {heads_}, {heads_}}, {}, kEps);  // (N, heads, L, d) each
  in.q = heads[0];
  in.k = heads[1];
  in.v = heads[2];
  in.key_mask = mask;
  in.scale = 1.0 / std::sqrt(static_cast<double>(in.q.size(3)));
  const auto y = x + out_->forward(nn::attention(in));  // (N, L, D)
  const auto g = norm(y, norm2_);
  return y + w2_->forward(nn::swiglu(nn::linear_together(g, {w1_.get(), w3_.get()})));
}

TextEncoder::TextEncoder(const TextEncoderOptions& o, std::int64_t vocabulary,
                         std::optional<std::uint64_t> seed, at::Device device) {
  nn::Initializer init(seed, device);
  embedding_ = register_parameter("embedding", init.normal({vocabulary, o.dim}, 0.5));
  places_ = register_parameter("places", init.normal({o.max_tokens, o.dim}, 0.1));
  const auto layers = register_module("layers", std::make_shared<nn::Indexed>());
  for (std::int64_t i = 0; i < o.layers; ++i) {
    layers_.push_back(layers->add(i, std::make_shared<TextLayer>(o, init)));
  }
  norm_ = register_module("norm", std::make_shared<nn::RmsWeight>(o.dim, init));
}

Tensor TextEncoder::forward(const Tensor& ids, const Tensor& mask) const {
  auto x = at::embedding(embedding_, ids) + places_.slice(0, 0, ids.size(1));  // (N, L, D)
  for (const auto& layer : layers_) {
    x = layer->forward(x, mask);
  }
  return norm(x, norm_);
}

}  // namespace medaug
