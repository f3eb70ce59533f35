// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/conv_ends.h"
#include "models/options.h"
#include "nn/layers.h"

// NextDiT: the transformer of Lumina-Next (arXiv 2406.18583; Alpha-VLLM/Lumina-T2X,
// lumina_next_t2i/models/model.py) with the reference's parameter names. What medaug adds are
// options of its two ends: mask planes, convolutional ends, an augment vector. Shapes: N images, T
// tokens, D width, A conditioning width, L caption tokens, Dc caption width.

namespace medaug {

using at::Tensor;

/// Keys and values that one block makes from the captions: (N, kv_heads, L, d) each.
struct CaptionHeads {
  Tensor k = {}, v = {};  ///< undefined when the model has no captions
};

struct NextDiTInput {
  Tensor x = {};        ///< (N, C, H, W)
  Tensor time = {};     ///< (N) float32, 0 = noise, 1 = image
  Tensor caption = {};  ///< (N, L, Dc) features, or undefined when the model has no captions
  std::vector<CaptionHeads> caption_heads =
      {};                    ///< `NextDiT::caption_heads(caption)`; empty = made in the call
  Tensor caption_mask = {};  ///< (N, L), true = real; at least one per row
  Tensor mask = {};          ///< (N, K, H, W) in [0, 1], or undefined = absent from all
  Tensor mask_present = {};  ///< (N) 0 or 1, or undefined = present in all
  Tensor augment = {};       ///< (N, F), or undefined = nothing was done
};

/// Settings of one call; the defaults are those of training.
struct NextDiTCall {
  double scale_factor = 1.0;     ///< of the rotary embedding beyond the trained size
  double scale_watershed = 1.0;  ///< times below it interpolate places, the others change theta
  std::int64_t proportional_base =
      0;  ///< token count of the trained size, for proportional attention; 0 = off
  bool checkpoint_activations = false;
  std::function<void(const std::string& name, const Tensor& value)> observe =
      {};  ///< sees intermediate tensors
};

/// What all blocks of one forward pass share.
struct BlockContext {
  Tensor rotary = {};        ///< (T, d / 2, 2) or (N, T, d / 2, 2)
  Tensor token_mask = {};    ///< (N, T) bool, or undefined
  Tensor caption_mask = {};  ///< (N, L) bool
  double scale = 0.0;        ///< of self-attention
};

class Attention : public torch::nn::Module {
 public:
  Attention(const NextDiTOptions& options, nn::Initializer& init);
  /// @param caption (N, L, Dc) normed
  CaptionHeads caption_heads(const Tensor& caption) const;
  /// @param x (N, T, D) normed and modulated
  Tensor forward(const Tensor& x, const CaptionHeads& caption,
                 const BlockContext& context) const;  // (N, T, D)

 private:
  std::int64_t heads_, kv_heads_;
  std::shared_ptr<nn::Linear> wq_, wk_, wv_, wo_, wk_y_, wv_y_;
  std::shared_ptr<nn::LayerNormWeight> q_norm_, k_norm_, ky_norm_;
  Tensor gate_;  ///< (heads)
};

class FeedForward : public torch::nn::Module {
 public:
  FeedForward(const NextDiTOptions& options, nn::Initializer& init);
  Tensor forward(const Tensor& x) const;  // (N, T, D)

 private:
  std::shared_ptr<nn::Linear> w1_, w2_, w3_;
};

class Block : public torch::nn::Module {
 public:
  Block(const NextDiTOptions& options, nn::Initializer& init);
  /// @param caption    (N, L, Dc), or undefined
  CaptionHeads caption_heads(const Tensor& caption) const;
  /// @param condition  (N, A) after its SiLU, or the shared modulation (N, 4 D)
  Tensor forward(const Tensor& x, const Tensor& condition, const CaptionHeads& caption,
                 const BlockContext& context) const;

 private:
  double eps_;
  std::shared_ptr<Attention> attention_;
  std::shared_ptr<FeedForward> feed_forward_;
  std::shared_ptr<nn::RmsWeight> attention_norm1_, attention_norm2_, ffn_norm1_, ffn_norm2_,
      attention_y_norm_;
  std::shared_ptr<nn::Linear> modulation_;  ///< absent when shared
  Tensor modulation_offset_;                ///< (4 D), when shared
};

class NextDiT : public torch::nn::Module {
 public:
  /// Valid options only (see `validate`).
  /// @param seed    of the initial weights; none = left undefined, to be filled
  /// @param device  meta counts parameters without allocating them
  explicit NextDiT(const NextDiTOptions& options, std::optional<std::uint64_t> seed = 0,
                   at::Device device = at::kCPU);

  /// What the network returns for one size of image: (N, out_channels, H, W) in the dtype of the
  /// weights.
  Tensor forward(const NextDiTInput& in, const NextDiTCall& call = {}) const;
  /// What each block makes from the captions (N, L, Dc): it does not depend on the image or the
  /// time, so a sampler makes it once.
  std::vector<CaptionHeads> caption_heads(const Tensor& caption) const;
  /// Images of different sizes (C, H_i, W_i) in one padded batch; captions as in `shared`. Linear
  /// ends only.
  std::vector<Tensor> forward_list(const std::vector<Tensor>& images, const NextDiTInput& shared,
                                   const NextDiTCall& call = {}) const;

  const NextDiTOptions& options() const { return options_; }
  at::ScalarType dtype() const { return final_->weight.scalar_type(); }

 private:
  Tensor condition_of(const NextDiTInput& in, const NextDiTCall& call) const;  // (N, A) after SiLU
  Tensor mask_planes(const NextDiTInput& in) const;                            // (N, K + 1, H, W)
  Tensor embed(const Tensor& x) const;                                         // (N, T, D)
  Tensor run_blocks(Tensor tokens, const Tensor& condition, const Tensor& mid_mask,
                    const NextDiTInput& in, const BlockContext& context,
                    const NextDiTCall& call) const;
  Tensor final_layer(const Tensor& tokens, const Tensor& condition) const;  // (N, T, p p C_out)
  Tensor rotary_for(std::int64_t rows, std::int64_t columns, const NextDiTInput& in,
                    const NextDiTCall& call) const;
  double self_attention_scale(std::int64_t tokens, const NextDiTCall& call) const;

  NextDiTOptions options_;
  Tensor pad_token_;
  std::shared_ptr<nn::Linear> bottleneck_, x_embedder_, mask_embedder_, mask_mid_,
      augment_embedder_, shared_modulation_;
  std::shared_ptr<nn::Linear> time_in_, time_out_, caption_pool_, final_, final_modulation_;
  std::shared_ptr<nn::LayerNormWeight> caption_norm_;
  std::shared_ptr<ConvEnds> ends_;
  std::vector<std::shared_ptr<Block>> layers_;
};

}  // namespace medaug
