// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "models/options.h"
#include "nn/layers.h"

namespace medaug {

class TextLayer : public torch::nn::Module {
 public:
  TextLayer(const TextEncoderOptions& options, nn::Initializer& init);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask) const;  // (N, L, D)

 private:
  std::int64_t heads_;
  std::shared_ptr<nn::RmsWeight> norm1_, norm2_;
  std::shared_ptr<nn::Linear> q_, k_, v_, out_, w1_, w2_, w3_;
};

/// A small bidirectional transformer over caption pieces, trained together with the image model.
/// Pre-norm RMS blocks with SwiGLU and learned places.
class TextEncoder : public torch::nn::Module {
 public:
  /// @param vocabulary  pieces the tokenizer really has  @param seed  none = weights left undefined
  TextEncoder(const TextEncoderOptions& options, std::int64_t vocabulary,
              std::optional<std::uint64_t> seed, at::Device device = at::kCPU);
  /// @param ids (N, L) int64, L <= max_tokens  @param mask (N, L) bool, true = real  @return (N, L,
  /// D)
  at::Tensor forward(const at::Tensor& ids, const at::Tensor& mask) const;

 private:
  at::Tensor embedding_;  ///< (V, D)
  at::Tensor places_;     ///< (max_tokens, D)
  std::vector<std::shared_ptr<TextLayer>> layers_;
  std::shared_ptr<nn::RmsWeight> norm_;
};

}  // namespace medaug
