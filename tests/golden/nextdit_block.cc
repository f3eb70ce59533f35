// SPDX-License-Identifier: MIT
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/silu.h>

#include <cmath>
#include <utility>

#include "nextdit_golden.h"
#include "nn/ops.h"
#include "nn/rotary.h"

namespace medaug::golden {
namespace {

constexpr double kLayerNormEps = 1e-5;

// Goes through the first block operator by operator, as Block::forward does, and compares on the
// way.
class FirstBlock {
 public:
  FirstBlock(CaseFolder& folder, std::string file, std::string prefix, const NextDiT& network)
      : folder_(folder),
        file_(std::move(file)),
        prefix_(std::move(prefix)),
        heads_(network.options().heads),
        kv_heads_(network.options().kv_heads > 0 ? network.options().kv_heads : heads_),
        head_dim_(network.options().dim / heads_),
        eps_(network.options().norm_eps) {
    const std::string own = "layers.0.";
    for (const auto& entry : network.named_parameters()) {
      if (entry.key().starts_with(own)) {
        weights_[entry.key().substr(own.size())] = entry.value();
      }
    }
    const auto& o = network.options();
    const auto x = stored("x");
    rotary_ = nn::rotary_table(x.size(2) / o.patch_size, x.size(3) / o.patch_size,
                               {.head_dim = head_dim_, .theta = o.rope_theta});
  }

  void run(const Tensor& tokens, const Tensor& condition) {
    const auto modulation = at::linear(condition, weight("adaLN_modulation.1.weight"),
                                       weight("adaLN_modulation.1.bias"));
    compare("modulation", modulation);
    const auto parts = modulation.chunk(4, 1);
    const auto attention_in = rms(tokens, "attention_norm1", 1.0 + parts[0]);
    compare("attn_in", attention_in);
    const auto attention_out = attend(attention_in);
    const auto gain = weight("attention_norm2.weight").unsqueeze(0) * parts[1].tanh();
    const auto middle = nn::add_rms_norm(tokens, attention_out, gain, eps_);
    const auto ffn_in = rms(middle, "ffn_norm1", 1.0 + parts[2]);
    compare("ffn_in", ffn_in);
    const auto hidden = nn::swiglu(
        at::cat({linear(ffn_in, "feed_forward.w1"), linear(ffn_in, "feed_forward.w3")}, -1));
    compare("ffn_out", linear(hidden, "feed_forward.w2"));
  }

 private:
  Tensor stored(const std::string& name) const { return folder_.stored(file_, prefix_ + name); }
  void compare(const std::string& name, const Tensor& got) {
    folder_.compare(file_, prefix_ + "layer0." + name, got);
  }
  Tensor weight(const std::string& key) const {
    const auto found = weights_.find(key);
    return found != weights_.end() ? found->second : Tensor();
  }
  Tensor linear(const Tensor& x, const std::string& name) const {
    return at::linear(x, weight(name + ".weight"));
  }
  Tensor rms(const Tensor& x, const std::string& name, const Tensor& scale) const {
    return nn::rms_norm(x, weight(name + ".weight").unsqueeze(0) * scale, eps_);
  }
  Tensor heads_of(const Tensor& x, const std::string& norm, const Tensor& rotary,
                  std::int64_t count) const {
    const nn::HeadGroup group{count, weight(norm + ".weight"), weight(norm + ".bias"), true};
    return nn::split_heads(x, {group}, rotary, kLayerNormEps)[0];  // (N, heads, T, d)
  }
  // As the reference shows heads: (N, T, heads, d), keys and values repeated to all query heads.
  Tensor shown(const Tensor& x) const {
    return x.repeat_interleave(heads_ / x.size(1), 1).transpose(1, 2);
  }
  Tensor split(const Tensor& x) const { return x.view({x.size(0), x.size(1), heads_, head_dim_}); }

  Tensor attend(const Tensor& x) {
    nn::AttentionInputs in;
    in.q = heads_of(linear(x, "attention.wq"), "attention.q_norm", rotary_, heads_);
    in.k = heads_of(linear(x, "attention.wk"), "attention.k_norm", rotary_, kv_heads_);
    in.v = heads_of(linear(x, "attention.wv"), "", {}, kv_heads_);
    in.scale = 1.0 / std::sqrt(static_cast<double>(head_dim_));
    compare("q_rotated", shown(in.q));
    compare("k_rotated_repeated", shown(in.k));
    compare("v_repeated", shown(in.v));
    const auto self_out = nn::attention(in);  // (N, T, D)
    compare("self_out", split(self_out));

    const auto caption = rms(stored("cap_feats"), "attention_y_norm", at::ones({1, 1}));
    compare("caption_normed", caption);
    in.caption_k = heads_of(linear(caption, "attention.wk_y"), "attention.ky_norm", {}, kv_heads_);
    in.caption_v = heads_of(linear(caption, "attention.wv_y"), "", {}, kv_heads_);
    in.caption_mask = stored("cap_mask").to(at::kBool);
    in.gate = at::ones({heads_});
    compare("caption_out_ungated", split(nn::attention(in) - self_out));
    in.gate = weight("attention.gate").tanh();
    const auto out = linear(nn::attention(in), "attention.wo");
    compare("attn_out", out);
    return out;
  }

  CaseFolder& folder_;
  std::string file_, prefix_;
  std::int64_t heads_, kv_heads_, head_dim_;
  double eps_;
  std::map<std::string, Tensor> weights_;
  Tensor rotary_;
};

}  // namespace

void compare_first_block(CaseFolder& folder, const std::string& file, const std::string& prefix,
                         const NextDiT& network, const std::map<std::string, Tensor>& observed) {
  if (!folder.has(file, prefix + "layer0.modulation")) {
    return;
  }
  const auto condition = at::silu(observed.at("t_emb") + observed.at("cap_emb"));
  FirstBlock(folder, file, prefix, network).run(observed.at("tokens_in"), condition);
}

}  // namespace medaug::golden
