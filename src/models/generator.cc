// SPDX-License-Identifier: MIT
#include "models/generator.h"

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "models/autoencoder.h"

namespace medaug {

Conditions Conditions::narrow(std::int64_t begin, std::int64_t count) const {
  const auto part = [&](const at::Tensor& x) {
    return x.defined() ? x.narrow(0, begin, count) : x;
  };
  return {part(tokens), part(token_mask), part(mask), part(mask_present), part(augment)};
}

void validate_size(const GeneratorOptions& options, std::int64_t height, std::int64_t width,
                   const std::string& where) {
  auto in_pixels = options.dit;
  in_pixels.patch_size *= options.downscale;
  validate_size(in_pixels, height, width, where);
}

Generator::Generator(const GeneratorOptions& options, std::optional<std::uint64_t> seed,
                     at::Device device)
    : options_(options) {
  if (!options.frozen_text) {
    text_ = register_module("text", std::make_shared<TextEncoder>(
                                        options.text, options.vocabulary,
                                        seed ? std::optional(*seed + 1) : std::nullopt, device));
  }
  dit_ = register_module("dit", std::make_shared<NextDiT>(options.dit, seed, device));
}

void Generator::attach(FrozenParts parts) {
  if (options_.frozen_text && !parts.captions) {
    throw Error(ErrorCode::kCheckpoint, "text encoder",
                "this model reads captions through a pretrained text encoder, and there is none",
                "give its folder with --text-encoder");
  }
  if (!works_on_pixels()) {
    if (!parts.autoencoder) {
      throw Error(ErrorCode::kCheckpoint, "autoencoder",
                  "this model works on latents, and there is no autoencoder",
                  "give its folder with --vae");
    }
    const auto channels = parts.autoencoder->options().latent_channels;
    if (channels != options_.dit.in_channels ||
        parts.autoencoder->downscale() != options_.downscale) {
      throw Error(ErrorCode::kCheckpoint, "autoencoder",
                  "it has " + std::to_string(channels) + " latent channels of " +
                      std::to_string(parts.autoencoder->downscale()) +
                      " pixels a side, the model " + std::to_string(options_.dit.in_channels) +
                      " of " + std::to_string(options_.downscale),
                  "use the autoencoder that the model was trained with");
    }
  }
  frozen_ = std::move(parts);
}

at::Tensor Generator::encode_text(const Conditions& conditions) const {
  return text_ ? text_->forward(conditions.tokens, conditions.token_mask)
               : frozen_.captions->features(conditions.tokens, conditions.token_mask);
}

std::vector<std::int64_t> Generator::z_shape(std::int64_t images, std::int64_t height,
                                             std::int64_t width) const {
  const auto f = options_.downscale;
  return {images, options_.dit.in_channels, height / f, width / f};
}

at::Tensor Generator::to_z(const at::Tensor& images, const at::Tensor& noise) const {
  return works_on_pixels()
             ? images
             : frozen_.autoencoder->encode(images, noise, {.memory_bytes = kMostAutoencoderBytes});
}

at::Tensor Generator::to_images(const at::Tensor& z) const {
  return works_on_pixels()
             ? z
             : frozen_.autoencoder->decode(z, {.memory_bytes = kMostAutoencoderBytes});
}

at::Tensor Generator::glimpse(const at::Tensor& z) const {
  constexpr std::int64_t kMostSide = 32;
  const auto factor = (std::max(z.size(2), z.size(3)) + kMostSide - 1) / kMostSide;
  return works_on_pixels() ? z : to_images(at::avg_pool2d(z, {factor, factor}, {}, 0, true));
}

at::Tensor Generator::mask_for(const at::Tensor& mask) const {
  const auto f = options_.downscale;
  return !mask.defined() || f == 1 ? mask : at::avg_pool2d(mask, {f, f});
}

at::Tensor Generator::predict(const at::Tensor& z, const at::Tensor& time, const EncodedText& text,
                              const Conditions& conditions, const NextDiTCall& call) const {
  NextDiTInput in;
  in.x = z;
  in.time = time;
  in.caption = text.features;
  in.caption_heads = text.heads;
  in.caption_mask = conditions.token_mask;
  in.mask = mask_for(conditions.mask);
  in.mask_present = conditions.mask_present;
  in.augment = conditions.augment;
  if (!in.augment.defined() && options_.dit.augment_features > 0) {
    // Training always gave the vector; leaving the layer out would leave out its bias too.
    in.augment =
        at::zeros({z.size(0), options_.dit.augment_features}, z.options().dtype(at::kFloat));
  }
  return dit_->forward(in, call);
}

}  // namespace medaug
