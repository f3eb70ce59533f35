// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "models/nextdit.h"
#include "models/text_encoder.h"

namespace medaug {

class Autoencoder;

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
  /// Pixels of one latent, per side; 1 = the network works on pixels, and no autoencoder is needed.
  std::int64_t downscale = 1;
  bool frozen_text = false;  ///< captions come from `FrozenParts::captions`, not from `text`

  /// Whether the model needs no frozen parts.
  bool stands_alone() const { return downscale == 1 && !frozen_text; }
};

/// @throws Error kConfig when pictures of this size do not divide into patches (of latents); the
/// hint names the nearest sizes that do
void validate_size(const GeneratorOptions& options, std::int64_t height, std::int64_t width,
                   const std::string& where);

/// Captions as the network reads them.
struct EncodedText {
  at::Tensor features = {};              ///< (N, L, Dc)
  std::vector<CaptionHeads> heads = {};  ///< of each block; empty = made in every call
};

/// A pretrained text encoder that is not trained further. Thread-safe.
class CaptionFeatures {
 public:
  virtual ~CaptionFeatures() = default;
  /// @param tokens (N, L) int64  @param mask (N, L) bool, true = real
  /// @return (N, L, Dc) on the device of `tokens`, without gradients
  virtual at::Tensor features(const at::Tensor& tokens, const at::Tensor& mask) const = 0;
  /// Gives up the encoder's weights until a caption comes whose features are not kept.
  virtual void release() const {}
};

/// What a model works with but does not train, and does not save.
struct FrozenParts {
  std::shared_ptr<const Autoencoder> autoencoder = {};   ///< needed when downscale > 1
  std::shared_ptr<const CaptionFeatures> captions = {};  ///< needed with `frozen_text`
};

/// The text encoder and the image model, trained as one. The image model works on pixels, or on the
/// latents of a frozen autoencoder: then z below is (N, C, H / f, W / f), and the mask's planes are
/// averaged over the pixels of a latent, so that a lesion smaller than one still shows.
class Generator : public torch::nn::Module {
 public:
  /// @param seed  of the initial weights; none = left undefined, to be filled
  explicit Generator(const GeneratorOptions& options, std::optional<std::uint64_t> seed = 0,
                     at::Device device = at::kCPU);

  /// Before anything is encoded. @throws Error kCheckpoint when a part that the options need is
  /// missing or of another shape than the network
  void attach(FrozenParts parts);
  const FrozenParts& frozen() const { return frozen_; }

  /// Caption features, once per caption. (N, L, Dc)
  at::Tensor encode_text(const Conditions& conditions) const;
  /// The network's raw prediction for z at `time` (N).
  at::Tensor predict(const at::Tensor& z, const at::Tensor& time, const EncodedText& text,
                     const Conditions& conditions, const NextDiTCall& call = {}) const;

  /// Whether z are the pixels themselves.
  bool works_on_pixels() const { return options_.downscale == 1; }
  /// Shape of z for images of H x W.
  std::vector<std::int64_t> z_shape(std::int64_t images, std::int64_t height,
                                    std::int64_t width) const;
  /// Images (N, 3, H, W) in [-1, 1] as z. @param noise  of the posterior, shaped as z; undefined =
  /// its mean. Pixels are returned as they are.
  at::Tensor to_z(const at::Tensor& images, const at::Tensor& noise = {}) const;
  /// The reverse, not clamped.
  at::Tensor to_images(const at::Tensor& z) const;
  /// Pictures of z to look at while images are made, not clamped: pixels as they are; latents are
  /// averaged to at most 32 a side before they are decoded, so that it costs little at any size.
  at::Tensor glimpse(const at::Tensor& z) const;

  const GeneratorOptions& options() const { return options_; }
  const NextDiT& dit() const { return *dit_; }

 private:
  at::Tensor mask_for(const at::Tensor& mask) const;

  GeneratorOptions options_;
  std::shared_ptr<TextEncoder> text_;
  std::shared_ptr<NextDiT> dit_;
  FrozenParts frozen_;
};

}  // namespace medaug
