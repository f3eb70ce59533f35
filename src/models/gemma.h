// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/gemma_options.h"
#include "nn/layers.h"

// The text encoder of Lumina-Next: Gemma 1 (Gemma Team, arXiv 2403.08295) up to the layer before
// its last. Frozen: no gradients. Keys are those of transformers' bare model.

namespace medaug {

/// x / rms(x) * (1 + w), in float32 until the last rounding.
class GemmaNorm : public torch::nn::Module {
 public:
  GemmaNorm(std::int64_t width, double eps, nn::Initializer& init);
  at::Tensor forward(const at::Tensor& x) const;  // (N, L, D)

 private:
  double eps_;
  at::Tensor weight_;  ///< (D)
};

/// What all layers of one pass share.
struct GemmaContext {
  at::Tensor cos, sin;  ///< (L, d) in the dtype of the activations
  at::Tensor allowed;   ///< (N, 1, L, L) bool: which keys a query sees
};

class GemmaAttention : public torch::nn::Module {
 public:
  GemmaAttention(const GemmaOptions& options, nn::Initializer& init);
  at::Tensor forward(const at::Tensor& x, const GemmaContext& context) const;  // (N, L, D)

 private:
  std::int64_t heads_, kv_heads_, head_dim_;
  std::shared_ptr<nn::Linear> q_, k_, v_, o_;
};

class GemmaMlp : public torch::nn::Module {
 public:
  GemmaMlp(const GemmaOptions& options, nn::Initializer& init);
  at::Tensor forward(const at::Tensor& x) const;  // (N, L, D)

 private:
  std::shared_ptr<nn::Linear> gate_, up_, down_;
};

/// Sees intermediate tensors under a name.
using Observer = std::function<void(const std::string& name, const at::Tensor& value)>;

class GemmaLayer : public torch::nn::Module {
 public:
  GemmaLayer(const GemmaOptions& options, nn::Initializer& init);
  at::Tensor forward(const at::Tensor& x, const GemmaContext& context,
                     const Observer& observe) const;  // (N, L, D)

 private:
  std::shared_ptr<GemmaNorm> input_norm_, post_attention_norm_;
  std::shared_ptr<GemmaAttention> attention_;
  std::shared_ptr<GemmaMlp> mlp_;
};

/// Settings of one call.
struct GemmaCall {
  std::int64_t tokens_per_pass = 2048;  ///< larger batches go through in parts of whole captions
  Observer observe = {};  ///< "hidden_states.I", "layerI.out", ...; called in each part
};

/// All layers but the last: neither that nor the final norm is allocated or computed.
class Gemma : public torch::nn::Module {
 public:
  /// @param seed    of the initial weights; none = left undefined, to be filled
  /// @param device  meta counts parameters without allocating them
  explicit Gemma(const GemmaOptions& options, std::optional<std::uint64_t> seed = std::nullopt,
                 at::Device device = at::kCPU);

  /// transformers' hidden_states[-2]: what leaves the layer before the last, without a norm.
  /// @param ids   (N, L) int64
  /// @param mask  (N, L), nonzero = real; padding on the right. At padding the result has no use.
  /// @return      (N, L, D) in the dtype and on the device of the weights
  /// @throws Error kInvalidArgument for other shapes, too many tokens or an id that has no
  /// embedding
  at::Tensor feature(const at::Tensor& ids, const at::Tensor& mask,
                     const GemmaCall& call = {}) const;

  const GemmaOptions& options() const { return options_; }
  at::ScalarType dtype() const { return embedding_.scalar_type(); }
  at::Device device() const { return embedding_.device(); }

 private:
  at::Tensor pass(const at::Tensor& ids, const at::Tensor& mask, const GemmaCall& call) const;
  GemmaContext context(const at::Tensor& mask) const;

  GemmaOptions options_;
  at::Tensor embedding_;  ///< (V, D)
  std::vector<std::shared_ptr<GemmaLayer>> layers_;
};

/// Keys and shapes of the whole network, with the last layer and the final norm.
std::map<std::string, std::vector<std::int64_t>> gemma_layout(const GemmaOptions& options);

}  // namespace medaug
