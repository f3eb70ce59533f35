// SPDX-License-Identifier: MIT
#include "models/nextdit.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "models/patches.h"
#include "nn/ops.h"
#include "nn/rotary.h"

namespace medaug {
namespace {

using nn::Init;
using nn::Linear;
using nn::wide;

constexpr std::int64_t kTimeWidth = 256;
constexpr double kLayerNormEps = 1e-5;
constexpr double kFinalNormEps = 1e-6;

std::int64_t key_heads(const NextDiTOptions& o) { return o.kv_heads > 0 ? o.kv_heads : o.heads; }
std::int64_t mask_width(const NextDiTOptions& o) {
  return o.patch_size * o.patch_size * (o.mask_classes + 1);
}

// Gates are the second and fourth of the four parts.
void open_gates(const Tensor& offset, const NextDiTOptions& o) {
  if (o.gate_init != 0.0 && !offset.is_meta()) {
    const at::NoGradGuard no_grad;
    offset.view({4, o.dim})[1].fill_(o.gate_init);
    offset.view({4, o.dim})[3].fill_(o.gate_init);
  }
}

nn::HeadGroup group(std::int64_t heads, const std::shared_ptr<nn::LayerNormWeight>& norm,
                    bool rotate = false) {
  return {heads, norm ? wide(norm->weight) : Tensor(), norm ? wide(norm->bias) : Tensor(), rotate};
}

void show(const NextDiTCall& call, const std::string& name, const Tensor& value) {
  if (call.observe) {
    call.observe(name, value);
  }
}

}  // namespace

Attention::Attention(const NextDiTOptions& o, nn::Initializer& init)
    : heads_(o.heads), kv_heads_(key_heads(o)) {
  const auto key_width = o.dim / o.heads * kv_heads_;
  const auto linear = [&](const char* name, std::int64_t in, std::int64_t out) {
    return register_module(name, std::make_shared<Linear>(in, out, false, Init::kXavier, init));
  };
  const auto norm = [&](const char* name, std::int64_t width) {
    return register_module(name, std::make_shared<nn::LayerNormWeight>(width, init));
  };
  wq_ = linear("wq", o.dim, o.dim);
  wk_ = linear("wk", o.dim, key_width);
  wv_ = linear("wv", o.dim, key_width);
  wo_ = linear("wo", o.dim, o.dim);
  if (o.caption_dim > 0) {
    wk_y_ = linear("wk_y", o.caption_dim, key_width);
    wv_y_ = linear("wv_y", o.caption_dim, key_width);
    gate_ = register_parameter("gate", init.constant({o.heads}, 0.0));
  }
  if (o.qk_norm == QkNorm::kLayer) {
    q_norm_ = norm("q_norm", o.dim);
    k_norm_ = norm("k_norm", key_width);
    if (o.caption_dim > 0) {
      ky_norm_ = norm("ky_norm", key_width);
    }
  }
}

CaptionHeads Attention::caption_heads(const Tensor& caption) const {
  const auto kv = nn::linear_together(caption, {wk_y_.get(), wv_y_.get()});
  const auto heads = nn::split_heads(kv, {group(kv_heads_, ky_norm_), group(kv_heads_, nullptr)},
                                     Tensor(), kLayerNormEps);
  return {heads[0], heads[1]};
}

Tensor Attention::forward(const Tensor& x, const CaptionHeads& caption,
                          const BlockContext& context) const {
  const auto qkv = nn::linear_together(x, {wq_.get(), wk_.get(), wv_.get()});
  const auto heads = nn::split_heads(
      qkv,
      {group(heads_, q_norm_, true), group(kv_heads_, k_norm_, true), group(kv_heads_, nullptr)},
      context.rotary, kLayerNormEps);
  nn::AttentionInputs in;
  in.q = heads[0];  // (N, heads, T, d)
  in.k = heads[1];  // (N, kv_heads, T, d)
  in.v = heads[2];
  in.key_mask = context.token_mask;
  in.scale = context.scale;
  if (caption.k.defined()) {
    in.caption_k = caption.k;
    in.caption_v = caption.v;
    in.caption_mask = context.caption_mask;
    in.gate = wide(gate_).tanh();
  }
  return wo_->forward(nn::attention(in));  // (N, T, D)
}

FeedForward::FeedForward(const NextDiTOptions& o, nn::Initializer& init) {
  const auto hidden = ffn_hidden(o);
  const auto linear = [&](const char* name, std::int64_t in, std::int64_t out) {
    return register_module(name, std::make_shared<Linear>(in, out, false, Init::kXavier, init));
  };
  w1_ = linear("w1", o.dim, hidden);
  w3_ = linear("w3", o.dim, hidden);  // beside w1 in memory, for one product of both
  w2_ = linear("w2", hidden, o.dim);
}

Tensor FeedForward::forward(const Tensor& x) const {
  return w2_->forward(nn::swiglu(nn::linear_together(x, {w1_.get(), w3_.get()})));
}

Block::Block(const NextDiTOptions& o, nn::Initializer& init) : eps_(o.norm_eps) {
  const auto norm = [&](const char* name, std::int64_t width) {
    return register_module(name, std::make_shared<nn::RmsWeight>(width, init));
  };
  attention_ = register_module("attention", std::make_shared<Attention>(o, init));
  feed_forward_ = register_module("feed_forward", std::make_shared<FeedForward>(o, init));
  attention_norm1_ = norm("attention_norm1", o.dim);
  attention_norm2_ = norm("attention_norm2", o.dim);
  ffn_norm1_ = norm("ffn_norm1", o.dim);
  ffn_norm2_ = norm("ffn_norm2", o.dim);
  if (o.caption_dim > 0) {
    attention_y_norm_ = norm("attention_y_norm", o.caption_dim);
  }
  if (o.modulation == Modulation::kShared) {
    modulation_offset_ = register_parameter("modulation_offset", init.constant({4 * o.dim}, 0.0));
    open_gates(modulation_offset_, o);
  } else {
    const auto modulation = register_module("adaLN_modulation", std::make_shared<nn::Indexed>());
    modulation_ = modulation->add(
        1, std::make_shared<Linear>(conditioning_dim(o), 4 * o.dim, true, Init::kZero, init));
    open_gates(modulation_->bias, o);
  }
}

CaptionHeads Block::caption_heads(const Tensor& caption) const {
  if (!caption.defined()) {
    return {};
  }
  const auto weight = wide(attention_y_norm_->weight).unsqueeze(0);
  return attention_->caption_heads(nn::rms_norm(caption, weight, eps_));
}

Tensor Block::forward(const Tensor& x_in, const Tensor& condition, const CaptionHeads& caption,
                      const BlockContext& context) const {
  const auto modulation =
      modulation_ ? modulation_->forward(condition) : condition + modulation_offset_;
  const auto parts =
      wide(modulation)
          .chunk(4, 1);  // scale and gate of attention, scale and gate of the FFN: (N, D)
  const auto weight = [](const std::shared_ptr<nn::RmsWeight>& norm) {
    return wide(norm->weight).unsqueeze(0);
  };
  auto h = nn::rms_norm_and_input(x_in, weight(attention_norm1_) * (1.0 + parts[0]), eps_);
  auto y = attention_->forward(h.normed, caption, context);
  const auto x = nn::add_rms_norm(h.input, y, weight(attention_norm2_) * parts[1].tanh(), eps_);
  h = nn::rms_norm_and_input(x, weight(ffn_norm1_) * (1.0 + parts[2]), eps_);
  y = feed_forward_->forward(h.normed);
  return nn::add_rms_norm(h.input, y, weight(ffn_norm2_) * parts[3].tanh(), eps_);  // (N, T, D)
}

NextDiT::NextDiT(const NextDiTOptions& o, std::optional<std::uint64_t> seed, at::Device device)
    : options_(o) {
  nn::Initializer init(seed, device);
  const auto width = conditioning_dim(o);
  const auto linear = [&](const std::string& name, std::int64_t in, std::int64_t out, Init how) {
    return register_module(name, std::make_shared<Linear>(in, out, true, how, init));
  };
  auto token_width = o.patch_size * o.patch_size * o.in_channels;
  auto final_width = o.patch_size * o.patch_size * o.out_channels * (o.learn_sigma ? 2 : 1);
  if (!o.conv_channels.empty()) {
    ends_ = register_module("ends", std::make_shared<ConvEnds>(o, init));
    token_width = final_width = ends_->token_width();
  }
  pad_token_ = register_parameter("pad_token", init.normal({o.dim}, 0.02));
  if (o.bottleneck > 0) {
    bottleneck_ = linear("bottleneck", token_width, o.bottleneck, Init::kXavier);
    token_width = o.bottleneck;
  }
  x_embedder_ = linear("x_embedder", token_width, o.dim, Init::kXavier);
  if (o.mask_classes > 0) {
    if (!ends_) {
      mask_embedder_ = linear("mask_embedder", mask_width(o), o.dim, Init::kXavier);
    }
    mask_mid_ = linear("mask_mid", mask_width(o), o.dim, Init::kZero);
  }
  if (o.augment_features > 0) {
    augment_embedder_ = linear("augment_embedder", o.augment_features, width, Init::kZero);
  }
  const auto time = register_module("t_embedder", std::make_shared<nn::Indexed>());
  const auto mlp = time->register_module("mlp", std::make_shared<nn::Indexed>());
  time_in_ = mlp->add(0, std::make_shared<Linear>(kTimeWidth, width, true, Init::kNormal02, init));
  time_out_ = mlp->add(2, std::make_shared<Linear>(width, width, true, Init::kNormal02, init));
  if (o.caption_dim > 0) {
    const auto embedder = register_module("cap_embedder", std::make_shared<nn::Indexed>());
    caption_norm_ = embedder->add(0, std::make_shared<nn::LayerNormWeight>(o.caption_dim, init));
    caption_pool_ =
        embedder->add(1, std::make_shared<Linear>(o.caption_dim, width, true, Init::kZero, init));
  }
  if (o.modulation == Modulation::kShared) {
    shared_modulation_ = linear("shared_modulation", width, 4 * o.dim, Init::kZero);
  }
  const auto blocks = register_module("layers", std::make_shared<nn::Indexed>());
  for (std::int64_t i = 0; i < o.layers; ++i) {
    layers_.push_back(blocks->add(i, std::make_shared<Block>(o, init)));
  }
  const auto last = register_module("final_layer", std::make_shared<nn::Indexed>());
  final_ = last->register_module(
      "linear", std::make_shared<Linear>(o.dim, final_width, true,
                                         ends_ ? Init::kXavier : Init::kZero, init));
  const auto final_modulation =
      last->register_module("adaLN_modulation", std::make_shared<nn::Indexed>());
  final_modulation_ =
      final_modulation->add(1, std::make_shared<Linear>(width, o.dim, true, Init::kZero, init));
}

Tensor NextDiT::condition_of(const NextDiTInput& in, const NextDiTCall& call) const {
  const auto embedded = time_embedding(in.time, kTimeWidth).to(dtype());
  auto condition = time_out_->forward(at::silu(time_in_->forward(embedded)));  // (N, A)
  show(call, "t_emb", condition);
  if (options_.caption_dim > 0) {
    const auto mask = in.caption_mask.to(at::kFloat).unsqueeze(-1);    // (N, L, 1)
    const auto mean = (wide(in.caption) * mask).sum(1) / mask.sum(1);  // (N, Dc)
    const auto normed = at::layer_norm(mean, {options_.caption_dim}, wide(caption_norm_->weight),
                                       wide(caption_norm_->bias), kLayerNormEps);
    const auto pooled = caption_pool_->forward(normed.to(dtype()));
    show(call, "cap_emb", pooled);
    condition = condition + pooled;
  }
  if (augment_embedder_ && in.augment.defined()) {
    condition = condition + augment_embedder_->forward(in.augment.to(dtype()));
  }
  return at::silu(condition);
}

Tensor NextDiT::mask_planes(const NextDiTInput& in) const {
  if (options_.mask_classes == 0) {
    return {};
  }
  const auto n = in.x.size(0), h = in.x.size(2), w = in.x.size(3);
  if (!in.mask.defined()) {
    return at::zeros({n, options_.mask_classes + 1, h, w}, in.x.options().dtype(dtype()));
  }
  const auto present =
      in.mask_present.defined() ? in.mask_present.to(at::kFloat) : at::ones({n}, in.mask.options());
  const auto plane = present.view({n, 1, 1, 1});
  // Classes in [-1, 1] where a mask was given, all zero where not: absent is not empty.
  return at::cat({(in.mask * 2.0 - 1.0) * plane, plane.expand({n, 1, h, w})}, 1).to(dtype());
}

Tensor NextDiT::embed(const Tensor& x) const {
  return x_embedder_->forward(bottleneck_ ? bottleneck_->forward(x) : x);
}

Tensor NextDiT::rotary_for(std::int64_t rows, std::int64_t columns, const NextDiTInput& in,
                           const NextDiTCall& call) const {
  nn::RotaryOptions rotary{.head_dim = options_.dim / options_.heads, .theta = options_.rope_theta};
  if (call.scale_factor != 1.0) {
    const bool early = in.time.flatten()[0].item<double>() < call.scale_watershed;
    (early ? rotary.linear : rotary.ntk) = call.scale_factor;
  }
  return nn::rotary_table(rows, columns, rotary).to(in.time.device());
}

double NextDiT::self_attention_scale(std::int64_t tokens, const NextDiTCall& call) const {
  const auto head_dim = static_cast<double>(options_.dim / options_.heads);
  if (call.proportional_base == 0) {
    return 1.0 / std::sqrt(head_dim);
  }
  const double entropy =
      std::log(static_cast<double>(tokens)) / std::log(static_cast<double>(call.proportional_base));
  return std::sqrt(entropy / head_dim);
}

Tensor NextDiT::run_blocks(Tensor tokens, const Tensor& condition, const Tensor& mid_mask,
                           const NextDiTInput& in, const BlockContext& context,
                           const NextDiTCall& call) const {
  const auto shared = shared_modulation_ ? shared_modulation_->forward(condition) : condition;
  const auto caption = options_.caption_dim > 0 ? in.caption.to(dtype()) : Tensor();
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (mid_mask.defined() && i == layers_.size() / 2) {
      tokens = tokens + mask_mid_->forward(mid_mask);
    }
    const auto& block = *layers_[i];
    if (call.checkpoint_activations && at::GradMode::is_enabled()) {
      tokens = nn::checkpointed(
          [&block, context](const Tensor& x, const Tensor& c, const Tensor& y) {
            return block.forward(x, c, block.caption_heads(y), context);
          },
          nn::trained_parameters(block), tokens, shared, caption);
    } else {
      const auto heads =
          in.caption_heads.empty() ? block.caption_heads(caption) : in.caption_heads[i];
      tokens = block.forward(tokens, shared, heads, context);
    }
    show(call, "layer" + std::to_string(i) + ".out", tokens);
  }
  return tokens;
}

std::vector<CaptionHeads> NextDiT::caption_heads(const Tensor& caption) const {
  std::vector<CaptionHeads> heads;
  if (options_.caption_dim == 0) {
    return heads;
  }
  for (const auto& layer : layers_) {
    heads.push_back(layer->caption_heads(caption.to(dtype())));
  }
  return heads;
}

Tensor NextDiT::final_layer(const Tensor& tokens, const Tensor& condition) const {
  const auto scale = 1.0 + wide(final_modulation_->forward(condition)).unsqueeze(1);  // (N, 1, D)
  const auto normed = at::layer_norm(wide(tokens), {options_.dim}, {}, {}, kFinalNormEps) * scale;
  return final_->forward(normed.to(dtype()));  // (N, T, p p C_out)
}

Tensor NextDiT::forward(const NextDiTInput& in, const NextDiTCall& call) const {
  const auto height = in.x.size(2), width = in.x.size(3), p = options_.patch_size;
  const auto condition = condition_of(in, call);  // (N, A)
  const auto mask = mask_planes(in);              // (N, K + 1, H, W)
  const auto mask_tokens = mask.defined() ? patchify(mask, p) : mask;
  std::vector<Tensor> skips;
  Tensor tokens;
  if (ends_) {
    tokens = embed(ends_->encode(in.x.to(dtype()), mask, condition, skips));  // (N, T, D)
  } else {
    tokens = embed(patchify(in.x.to(dtype()), p));  // (N, T, D)
    if (mask_tokens.defined()) {
      tokens = tokens + mask_embedder_->forward(mask_tokens);
    }
  }
  show(call, "tokens_in", tokens);
  BlockContext context;
  context.rotary = rotary_for(height / p, width / p, in, call);
  context.caption_mask = in.caption_mask;
  context.scale = self_attention_scale(tokens.size(1), call);
  tokens = run_blocks(tokens, condition, mask_tokens, in, context, call);
  tokens = final_layer(tokens, condition);  // (N, T, p p C_out)
  show(call, "final_tokens", tokens);
  if (ends_) {
    return ends_->decode(tokens, skips, condition);
  }
  return unpatchify(tokens, p, height, width).slice(1, 0, options_.out_channels);
}

std::vector<Tensor> NextDiT::forward_list(const std::vector<Tensor>& images,
                                          const NextDiTInput& shared,
                                          const NextDiTCall& call) const {
  const auto p = options_.patch_size;
  std::int64_t longest = 0;
  for (const auto& image : images) {
    longest = std::max(longest, image.size(1) / p * (image.size(2) / p));
  }
  std::vector<Tensor> rows, tables;
  const auto real = at::zeros({static_cast<std::int64_t>(images.size()), longest},
                              shared.time.options().dtype(at::kBool));
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto h = images[i].size(1) / p, w = images[i].size(2) / p, missing = longest - h * w;
    auto row = embed(patchify(images[i].unsqueeze(0).to(dtype()), p))[0];  // (T_i, D)
    auto table = rotary_for(h, w, shared, call);                           // (T_i, d / 2, 2)
    if (missing > 0) {
      row = at::cat({row, pad_token_.unsqueeze(0).expand({missing, options_.dim})});
      table = at::cat({table, table.slice(0, h * w - 1).expand({missing, table.size(1), 2})});
    }
    rows.push_back(row);
    tables.push_back(table);
    real[static_cast<std::int64_t>(i)].slice(0, 0, h * w).fill_(true);
  }
  const auto condition = condition_of(shared, call);
  BlockContext context;
  context.rotary = at::stack(tables);  // (N, T, d / 2, 2)
  context.token_mask = real;
  context.caption_mask = shared.caption_mask;
  context.scale = self_attention_scale(longest, call);
  auto tokens = at::stack(rows);  // (N, T, D)
  show(call, "token_mask", real);
  show(call, "tokens_in", tokens);
  tokens = final_layer(run_blocks(tokens, condition, {}, shared, context, call), condition);
  show(call, "final_tokens", tokens);
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto one = tokens.narrow(0, static_cast<std::int64_t>(i), 1);
    out.push_back(unpatchify(one, p, images[i].size(1), images[i].size(2))[0].slice(
        0, 0, options_.out_channels));
  }
  return out;
}

}  // namespace medaug
