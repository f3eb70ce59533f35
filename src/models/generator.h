// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "models/nextdit.h"
#include "models/text_encoder.h"

namespace medaug {

/// Everything an image is conditioned on, as tensors.
struct Conditions {
  at::Tensor tokens = {};        ///< (N, L) int64 piece ids
  at::Tensor token_mask = {};    ///< (N, L) bool
  at::Tensor mask = {};          ///< (N, K, H, W) float32 in [0, 1]
  at::Tensor mask_present = {};  ///< (N) float32, 0 or 1
  at::Tensor augment = {};       ///< (N, F) float32, or undefined = zeros

  /// Those of `count` images from `begin` on.
  Conditions narrow(std::int64_t begin, std::int64_t count) const;
};

struct GeneratorOptions {
  NextDiTOptions dit;
  TextEncoderOptions text;
  std::int64_t vocabulary = 0;  ///< pieces the tokenizer has
};

/// Captions as the network reads them.
struct EncodedText {
  at::Tensor features = {};              ///< (N, L, Dc)
  std::vector<CaptionHeads> heads = {};  ///< of each block; empty = made in every call
};

/// The text encoder and the image model, trained as one.
class Generator : public torch::nn::Module {
 public:
  /// @param seed  of the initial weights; none = left undefined, to be filled
  explicit Generator(const GeneratorOptions& options, std::optional<std::uint64_t> seed = 0,
                     at::Device device = at::kCPU);

  /// Caption features, once per caption. (N, L, Dc)
  at::Tensor encode_text(const Conditions& conditions) const;
  /// The network's raw prediction for z at `time` (N).
  at::Tensor predict(const at::Tensor& z, const at::Tensor& time, const EncodedText& text,
                     const Conditions& conditions, const NextDiTCall& call = {}) const;

  const GeneratorOptions& options() const { return options_; }
  const NextDiT& dit() const { return *dit_; }

 private:
  GeneratorOptions options_;
  std::shared_ptr<TextEncoder> text_;
  std::shared_ptr<NextDiT> dit_;
};

}  // namespace medaug
