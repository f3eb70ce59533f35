// SPDX-License-Identifier: MIT
#include "models/autoencoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "models/tiles.h"

namespace medaug {
namespace {

constexpr double kLeastLogVariance = -30.0, kMostLogVariance = 20.0;
constexpr std::int64_t kLeastTile = 4;  ///< in places of the latent

[[noreturn]] void refuse(const char* where, const std::string& message,
                         const std::string& hint = "") {
  throw Error(ErrorCode::kInvalidArgument, where, message, hint);
}

std::string shape_text(const Tensor& x) {
  std::string text;
  for (const auto side : x.sizes()) {
    text += (text.empty() ? "" : " x ") + std::to_string(side);
  }
  return text.empty() ? "()" : text;
}

void require_wide_range(at::ScalarType dtype) {
  if (dtype != at::kFloat && dtype != at::kBFloat16 && dtype != at::kDouble) {
    refuse("autoencoder", std::string("has weights of dtype ") + c10::toString(dtype),
           "use bfloat16 or float32: activations of the SDXL VAE leave the range of float16, and "
           "its images turn black");
  }
}

void require_image(const char* what, const Tensor& x, std::int64_t channels,
                   std::int64_t multiple) {
  if (!x.defined() || x.dim() != 4 || x.numel() == 0 || !x.is_floating_point()) {
    refuse(what, "must be floating numbers (N, C, H, W), none of them 0, not " +
                     (x.defined() ? shape_text(x) : std::string("undefined")));
  }
  if (x.size(1) != channels) {
    refuse(what, "have " + std::to_string(x.size(1)) + " channels, the autoencoder has " +
                     std::to_string(channels));
  }
  if (x.size(2) % multiple != 0 || x.size(3) % multiple != 0) {
    refuse(what, "are " + std::to_string(x.size(3)) + " x " + std::to_string(x.size(2)) + " pixels",
           "width and height must be multiples of " + std::to_string(multiple));
  }
}

/// Tile side in pixels that keeps the activations within the limit.
std::int64_t automatic_tile(const AutoencoderOptions& o, AutoencoderHalf half, at::ScalarType dtype,
                            std::int64_t memory_bytes) {
  const auto per_pixel = static_cast<double>(activation_bytes(o, half, 1 << 20, dtype)) / (1 << 20);
  const auto side = std::sqrt(static_cast<double>(memory_bytes) / per_pixel);
  const auto factor = autoencoder_downscale(o);
  return std::max(kLeastTile, static_cast<std::int64_t>(side) / factor) * factor;
}

TilePlan plan_of(const AutoencoderCall& call, const AutoencoderOptions& o, AutoencoderHalf half,
                 at::ScalarType dtype, std::int64_t pixels) {
  const auto factor = autoencoder_downscale(o);
  auto tile = call.tile_pixels;
  if (tile < 0 || call.overlap_pixels < 0 || call.memory_bytes < 0) {
    refuse("tile_pixels", "tile_pixels, overlap_pixels and memory_bytes must not be below 0");
  }
  if (tile == 0 && call.memory_bytes > 0 &&
      activation_bytes(o, half, pixels, dtype) > call.memory_bytes) {
    tile = automatic_tile(o, half, dtype, call.memory_bytes);
  }
  if (tile == 0) {
    return {};
  }
  const auto overlap = call.overlap_pixels > 0 ? call.overlap_pixels : tile / factor / 4 * factor;
  if (tile % factor != 0 || tile < kLeastTile * factor) {
    refuse("tile_pixels", std::to_string(tile) + " is not a multiple of " + std::to_string(factor) +
                              ", " + std::to_string(kLeastTile * factor) + " at least");
  }
  if (overlap % factor != 0 || 2 * overlap > tile) {
    refuse("overlap_pixels", std::to_string(overlap) + " is not a multiple of " +
                                 std::to_string(factor) + ", half of the tile at most");
  }
  return {.tile = tile / factor, .overlap = overlap / factor};
}

/// One image after the other on the CPU, where a batch is no faster: the memory is that of one
/// image, and its result cannot depend on the others.
template <class F>
Tensor for_each_image(const Tensor& x, F&& work) {
  if (x.size(0) == 1 || !x.device().is_cpu()) {
    return work(x);
  }
  std::vector<Tensor> out;
  for (std::int64_t n = 0; n < x.size(0); ++n) {
    out.push_back(work(x.narrow(0, n, 1)));
  }
  return at::cat(out);
}

template <class F>
Tensor maybe_in_tiles(const Tensor& x, std::int64_t cell, std::int64_t out_cell,
                      const TilePlan& plan, F&& work) {
  return plan.tile == 0 ? work(x) : in_tiles(x, cell, out_cell, plan, work);
}

/// As the caller reads it: float32 (or float64) in the usual order of memory.
Tensor plain(const Tensor& x) { return nn::wide(x).contiguous(); }

}  // namespace

Posterior posterior(const Tensor& moments) {
  const auto parts = moments.chunk(2, 1);
  const auto logvar = parts[1].clamp(kLeastLogVariance, kMostLogVariance);
  return {.mean = parts[0], .logvar = logvar, .std = (0.5 * logvar).exp()};
}

Autoencoder::Autoencoder(const AutoencoderOptions& o, std::optional<std::uint64_t> seed,
                         at::Device device)
    : options_(o) {
  validate(o, "autoencoder");
  nn::Initializer init(seed, device);
  const auto square = [&](const char* name, std::int64_t channels) {
    const ConvolutionOptions layer{.in = channels, .out = channels, .kernel = 1, .bias = true};
    return register_module(name, std::make_shared<Convolution>(layer, init));
  };
  encoder_ = register_module("encoder", std::make_shared<autoencoder::Encoder>(o, init));
  decoder_ = register_module("decoder", std::make_shared<autoencoder::Decoder>(o, init));
  if (o.use_quant_conv) {
    quant_conv_ = square("quant_conv", 2 * o.latent_channels);
  }
  if (o.use_post_quant_conv) {
    post_quant_conv_ = square("post_quant_conv", o.latent_channels);
  }
  probe_ = decoder_->first_layer();
}

Tensor Autoencoder::moments(const Tensor& images, const AutoencoderCall& call) const {
  const at::NoGradGuard no_grad;
  require_wide_range(dtype());
  require_image("images", images, options_.in_channels, downscale());
  const auto plan =
      plan_of(call, options_, AutoencoderHalf::kEncoder, dtype(), images.size(2) * images.size(3));
  const auto raw = for_each_image(images, [&](const Tensor& image) {
    return maybe_in_tiles(image, downscale(), 1, plan, [&](const Tensor& tile) {
      const auto x = encoder_->forward(tile.to(device(), dtype()), call.observe);
      return plain(quant_conv_ ? quant_conv_->forward(x) : x);
    });
  });
  const auto clamped = posterior(raw);
  return at::cat({clamped.mean, clamped.logvar}, 1);  // (N, 2 C, H / f, W / f)
}

Tensor Autoencoder::encode(const Tensor& images, const Tensor& noise,
                           const AutoencoderCall& call) const {
  const at::NoGradGuard no_grad;
  const auto latents = posterior(moments(images, call));
  auto z = latents.mean;
  if (noise.defined()) {
    if (noise.sizes() != z.sizes()) {
      refuse("noise", "has shape " + shape_text(noise) + ", the latents have " + shape_text(z));
    }
    z = z + latents.std * noise.to(z.options());
  }
  return (z - options_.shift_factor) * options_.scaling_factor;  // (N, C, H / f, W / f)
}

Tensor Autoencoder::decode(const Tensor& latents, const AutoencoderCall& call) const {
  const at::NoGradGuard no_grad;
  require_wide_range(dtype());
  require_image("latents", latents, options_.latent_channels, 1);
  const auto plan = plan_of(call, options_, AutoencoderHalf::kDecoder, dtype(),
                            latents.size(2) * latents.size(3) * downscale() * downscale());
  const auto z = nn::wide(latents) / options_.scaling_factor + options_.shift_factor;
  return for_each_image(z, [&](const Tensor& latent) {
    return maybe_in_tiles(latent, 1, downscale(), plan, [&](const Tensor& tile) {
      const auto x = tile.to(device(), dtype());
      return plain(
          decoder_->forward(post_quant_conv_ ? post_quant_conv_->forward(x) : x, call.observe));
    });
  });  // (N, out_channels, h f, w f)
}

std::int64_t activation_bytes(const AutoencoderOptions& o, AutoencoderHalf half,
                              std::int64_t pixels, at::ScalarType dtype) {
  const auto& widths = o.block_out_channels;
  double most = 0.0, share = 1.0;
  for (std::size_t i = 0; i < widths.size(); ++i, share /= 4.0) {
    const auto own = static_cast<double>(widths[i]);
    const auto deeper = static_cast<double>(widths[std::min(i + 1, widths.size() - 1)]);
    const auto higher = static_cast<double>(widths[i == 0 ? 0 : i - 1]);
    // A residual block holds its input, what it became and what comes of it; a wider input is
    // written over. Doubling the side holds the result and, of a quarter of its places, input and
    // one part.
    const double block = 3.0 * own;
    const double change =
        half == AutoencoderHalf::kDecoder ? deeper + 2.0 * own : higher + 2.0 * own;
    const double doubling = half == AutoencoderHalf::kDecoder ? 1.5 * deeper : 0.0;
    most = std::max(most, share * std::max({block, change, doubling}));
  }
  return static_cast<std::int64_t>(most * static_cast<double>(pixels) *
                                   static_cast<double>(c10::elementSize(dtype)));
}

}  // namespace medaug
