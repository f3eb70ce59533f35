// SPDX-License-Identifier: MIT
#include "models/gemma.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "base/error.h"
#include "nn/ops.h"

namespace medaug {
namespace {

using at::Tensor;
using nn::Init;

/// x cos + rotate_half(x) sin: the first half of a head's dimensions is paired with the second
/// (unlike NextDiT, which turns neighbours).
Tensor rotated(const Tensor& x, const GemmaContext& context) {
  const auto half = x.size(3) / 2;
  const auto turned = at::cat({-x.narrow(3, half, half), x.narrow(3, 0, half)}, 3);
  return x * context.cos + turned * context.sin;  // (N, H, L, d)
}

Tensor repeat_heads(const Tensor& x, std::int64_t heads) {
  return x.size(1) == heads ? x : x.repeat_interleave(heads / x.size(1), 1);
}

std::string shape_of(const Tensor& x) {
  std::ostringstream text;
  text << x.sizes();
  return text.str();
}

void check(const Tensor& ids, const Tensor& mask, const GemmaOptions& options) {
  const auto refuse = [](const std::string& what) {
    throw Error(ErrorCode::kInvalidArgument, "tokens", what);
  };
  if (ids.dim() != 2 || ids.scalar_type() != at::kLong || mask.sizes() != ids.sizes()) {
    refuse("have shape " + shape_of(ids) + " and a mask of " + shape_of(mask) +
           ", both must be (captions, tokens), the tokens int64");
  }
  if (ids.size(1) < 1 || ids.size(1) > options.max_position_embeddings) {
    refuse("are " + std::to_string(ids.size(1)) + " in a caption, allowed: 1 to " +
           std::to_string(options.max_position_embeddings));
  }
  if (ids.numel() > 0 && (ids.min().item<std::int64_t>() < 0 ||
                          ids.max().item<std::int64_t>() >= options.vocab_size)) {
    refuse("go beyond the " + std::to_string(options.vocab_size) + " that have an embedding");
  }
}

}  // namespace

GemmaNorm::GemmaNorm(std::int64_t width, double eps, nn::Initializer& init)
    : eps_(eps), weight_(register_parameter("weight", init.constant({width}, 0.0))) {}

Tensor GemmaNorm::forward(const Tensor& x) const {
  return nn::rms_norm(x, (1.0 + weight_.to(at::kFloat)).unsqueeze(0), eps_);
}

GemmaAttention::GemmaAttention(const GemmaOptions& o, nn::Initializer& init)
    : heads_(o.num_attention_heads), kv_heads_(o.num_key_value_heads), head_dim_(o.head_dim) {
  const auto linear = [&](const char* name, std::int64_t in, std::int64_t out) {
    return register_module(name, std::make_shared<nn::Linear>(in, out, false, Init::kXavier, init));
  };
  q_ = linear("q_proj", o.hidden_size, heads_ * head_dim_);
  k_ = linear("k_proj", o.hidden_size, kv_heads_ * head_dim_);
  v_ = linear("v_proj", o.hidden_size, kv_heads_ * head_dim_);
  o_ = linear("o_proj", heads_ * head_dim_, o.hidden_size);
}

Tensor GemmaAttention::forward(const Tensor& x, const GemmaContext& context) const {
  const auto split = [&](const nn::Linear& layer, std::int64_t heads) {
    return layer.forward(x).view({x.size(0), x.size(1), heads, head_dim_}).transpose(1, 2);
  };
  const auto q = rotated(split(*q_, heads_), context);                           // (N, H, L, d)
  const auto k = repeat_heads(rotated(split(*k_, kv_heads_), context), heads_);  // (N, H, L, d)
  const auto v = repeat_heads(split(*v_, kv_heads_), heads_);                    // (N, H, L, d)
  const auto y = at::scaled_dot_product_attention(q, k, v, context.allowed);     // (N, H, L, d)
  return o_->forward(y.transpose(1, 2).flatten(2));                              // (N, L, D)
}

GemmaMlp::GemmaMlp(const GemmaOptions& o, nn::Initializer& init) {
  const auto linear = [&](const char* name, std::int64_t in, std::int64_t out) {
    return register_module(name, std::make_shared<nn::Linear>(in, out, false, Init::kXavier, init));
  };
  gate_ = linear("gate_proj", o.hidden_size, o.intermediate_size);
  up_ = linear("up_proj", o.hidden_size, o.intermediate_size);
  down_ = linear("down_proj", o.intermediate_size, o.hidden_size);
}

Tensor GemmaMlp::forward(const Tensor& x) const {
  return down_->forward(at::gelu(gate_->forward(x), "tanh") * up_->forward(x));
}

GemmaLayer::GemmaLayer(const GemmaOptions& o, nn::Initializer& init) {
  const auto norm = [&](const char* name) {
    return register_module(name, std::make_shared<GemmaNorm>(o.hidden_size, o.rms_norm_eps, init));
  };
  input_norm_ = norm("input_layernorm");
  attention_ = register_module("self_attn", std::make_shared<GemmaAttention>(o, init));
  post_attention_norm_ = norm("post_attention_layernorm");
  mlp_ = register_module("mlp", std::make_shared<GemmaMlp>(o, init));
}

Tensor GemmaLayer::forward(const Tensor& x, const GemmaContext& context,
                           const Observer& observe) const {
  const auto seen = [&](const char* name, Tensor value) {
    if (observe) {
      observe(name, value);
    }
    return value;
  };
  const auto normed = seen("input_layernorm", input_norm_->forward(x));
  const auto y = x + seen("self_attn", attention_->forward(normed, context));
  const auto normed_y = seen("post_attention_layernorm", post_attention_norm_->forward(y));
  return seen("out", y + seen("mlp", mlp_->forward(normed_y)));
}

Gemma::Gemma(const GemmaOptions& o, std::optional<std::uint64_t> seed, at::Device device)
    : options_(o) {
  nn::Initializer init(seed, device);
  const auto tokens = register_module("embed_tokens", std::make_shared<torch::nn::Module>());
  embedding_ =
      tokens->register_parameter("weight", init.normal({o.vocab_size, o.hidden_size}, 0.02));
  const auto layers = register_module("layers", std::make_shared<nn::Indexed>());
  for (std::int64_t i = 0; i + 1 < o.num_hidden_layers; ++i) {
    layers_.push_back(layers->add(i, std::make_shared<GemmaLayer>(o, init)));
  }
  for (auto& parameter : parameters()) {
    parameter.set_requires_grad(false);
  }
}

Tensor Gemma::feature(const Tensor& ids, const Tensor& mask, const GemmaCall& call) const {
  check(ids, mask, options_);
  const at::NoGradGuard no_grad;
  const auto rows = std::max<std::int64_t>(1, call.tokens_per_pass / ids.size(1));
  std::vector<Tensor> parts;
  for (std::int64_t row = 0; row < ids.size(0); row += rows) {
    const auto count = std::min(rows, ids.size(0) - row);
    parts.push_back(pass(ids.narrow(0, row, count).to(device()),
                         mask.narrow(0, row, count).to(device(), at::kBool), call));
  }
  if (parts.empty()) {
    return at::empty({0, ids.size(1), options_.hidden_size}, embedding_.options());
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);  // (N, L, D)
}

GemmaContext Gemma::context(const Tensor& mask) const {
  const auto length = mask.size(1), width = options_.head_dim;
  const auto options = at::TensorOptions().dtype(at::kFloat).device(mask.device());
  const auto steps = at::arange(0, width, 2, options) / static_cast<double>(width);
  const auto frequencies = 1.0 / at::pow(options_.rope_theta, steps);               // (d/2)
  const auto angles = at::arange(length, options).unsqueeze(1) * frequencies;       // (L, d/2)
  const auto both = at::cat({angles, angles}, 1);                                   // (L, d)
  const auto causal = at::ones({length, length}, options.dtype(at::kBool)).tril();  // (L, L)
  return {both.cos().to(dtype()), both.sin().to(dtype()),
          causal & mask.unsqueeze(1).unsqueeze(1)};  // (N, 1, L, L)
}

Tensor Gemma::pass(const Tensor& ids, const Tensor& mask, const GemmaCall& call) const {
  const auto shared = context(mask);
  // The factor is rounded first, as the reference keeps it in a tensor: 45.25 in bfloat16.
  const double factor = std::sqrt(static_cast<double>(options_.hidden_size));
  auto x = at::embedding(embedding_, ids) *
           at::tensor({factor}, at::kDouble).to(dtype()).item<double>();  // (N, L, D)
  const auto seen = [&](const std::string& name, const Tensor& value) {
    if (call.observe) {
      call.observe(name, value);
    }
  };
  seen("hidden_states.0", x);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto number = std::to_string(i);
    x = layers_[i]->forward(x, shared, [&](const std::string& part, const Tensor& value) {
      seen("layer" + number + "." + part, value);
    });
    seen("hidden_states." + std::to_string(i + 1), x);
  }
  return x;
}

std::map<std::string, std::vector<std::int64_t>> gemma_layout(const GemmaOptions& options) {
  auto longer = options;
  ++longer.num_hidden_layers;  // so that the real last layer is one that is made
  const Gemma whole(longer, std::nullopt, at::kMeta);
  std::map<std::string, std::vector<std::int64_t>> shapes{{"norm.weight", {options.hidden_size}}};
  for (const auto& item : whole.named_parameters()) {
    shapes.emplace(item.key(), item.value().sizes().vec());
  }
  return shapes;
}

}  // namespace medaug
