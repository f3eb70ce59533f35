// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>

#include "models/autoencoder_blocks.h"
#include "models/autoencoder_options.h"

// The variational autoencoder of latent diffusion (Rombach et al., arXiv 2112.10752) as Stable
// Diffusion 1.x, SDXL and SD3 have it: diffusers' AutoencoderKL with its parameter names. It only
// runs forward (no gradients), so that memory can be used again. Safe to call from several threads.
// Shapes: N images, C latent channels, f = downscale().

namespace medaug {

using at::Tensor;

/// `memory_bytes` of models of latents.
inline constexpr std::int64_t kMostAutoencoderBytes = 4LL << 30;

/// Settings of one call.
struct AutoencoderCall {
  /// Side of the overlapping tiles that an image is cut into; 0 = not cut. What a tile does not see
  /// is missing from its norms and attention, so the result is near that of the whole image and not
  /// equal to it; an image that fits into one tile gives the same bits as without tiles.
  std::int64_t tile_pixels = 0;
  std::int64_t overlap_pixels = 0;  ///< of neighbouring tiles; 0 = a quarter of the tile
  /// With tile_pixels 0: cuts into tiles that keep the activations below this; 0 = no limit.
  std::int64_t memory_bytes = 0;
  /// Sees intermediate tensors ("enc.down0", "dec.mid"), one image (and tile) after the other on
  /// the CPU.
  autoencoder::Observer observe = {};
};

/// A diagonal normal distribution for each place: (N, C, h, w) each.
struct Posterior {
  Tensor mean, logvar, std;  ///< logvar within [-30, 20], std = exp(logvar / 2)
};
/// @param moments (N, 2 C, h, w), mean before log variance
Posterior posterior(const Tensor& moments);

class Autoencoder : public torch::nn::Module {
 public:
  /// @param seed    of the initial weights; none = left undefined, to be filled
  /// @param device  meta counts parameters without allocating them
  /// @throws Error kConfig for options that do not fit together
  explicit Autoencoder(const AutoencoderOptions& options, std::optional<std::uint64_t> seed = 0,
                       at::Device device = at::kCPU);

  /// Mean and log variance of the latents, the latter clamped to [-30, 20], neither scaled.
  /// @param images  (N, in_channels, H, W) in [-1, 1]; H and W are multiples of f
  /// @return        (N, 2 C, H / f, W / f) float32
  /// @throws Error kInvalidArgument for other shapes, tiles that do not fit, or float16 weights
  Tensor moments(const Tensor& images, const AutoencoderCall& call = {}) const;

  /// (mean + std noise - shift_factor) scaling_factor, the space that a diffusion model works in.
  /// @param noise  (N, C, H / f, W / f) standard normal; undefined = the mean itself
  /// @return       (N, C, H / f, W / f) float32
  /// @throws Error as `moments`
  Tensor encode(const Tensor& images, const Tensor& noise = {},
                const AutoencoderCall& call = {}) const;

  /// Images of scaled latents, not clamped to [-1, 1].
  /// @param latents  (N, C, h, w)
  /// @return         (N, out_channels, h f, w f) float32
  /// @throws Error as `moments`
  Tensor decode(const Tensor& latents, const AutoencoderCall& call = {}) const;

  std::int64_t downscale() const { return autoencoder_downscale(options_); }
  const AutoencoderOptions& options() const { return options_; }
  at::ScalarType dtype() const { return probe_->weight.scalar_type(); }
  at::Device device() const { return probe_->weight.device(); }

 private:
  AutoencoderOptions options_;
  std::shared_ptr<autoencoder::Encoder> encoder_;
  std::shared_ptr<autoencoder::Decoder> decoder_;
  std::shared_ptr<Convolution> quant_conv_, post_quant_conv_;
  std::shared_ptr<Convolution> probe_;  ///< any layer that is always there
};

enum class AutoencoderHalf { kEncoder, kDecoder };

/// What the activations of one image take at the most, without the weights: of the levels the
/// fullest, each with what is alive at the same time in its widest step.
std::int64_t activation_bytes(const AutoencoderOptions& options, AutoencoderHalf half,
                              std::int64_t pixels, at::ScalarType dtype);

}  // namespace medaug
