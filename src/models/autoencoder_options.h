// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"

namespace medaug {

/// A variational autoencoder of images (diffusers' `AutoencoderKL`). The defaults are the SDXL
/// VAE's.
struct AutoencoderOptions {
  std::int64_t in_channels = 3;
  std::int64_t out_channels = 3;
  std::int64_t latent_channels = 4;
  /// Width of each level, full resolution first; the side halves from one to the next.
  std::vector<std::int64_t> block_out_channels = {128, 256, 512, 512};
  std::int64_t layers_per_block = 2;  ///< residual blocks of a level; one more in the decoder
  std::int64_t norm_num_groups = 32;
  double scaling_factor = 0.13025;  ///< latent = (posterior - shift) * scaling
  double shift_factor = 0.0;
  bool use_quant_conv = true;  ///< 1 x 1 convolution behind the encoder; SD3's has none
  bool use_post_quant_conv = true;
  bool mid_block_add_attention = true;
  std::int64_t sample_size = 1024;  ///< side it was trained at; only kept for other programs
};

template <class Visitor>
void describe(Visitor& visit, AutoencoderOptions& o) {
  visit(Field{.name = "in_channels", .help = "image channels", .min = 1, .max = 64}, o.in_channels);
  visit(Field{.name = "out_channels", .help = "image channels out", .min = 1, .max = 64},
        o.out_channels);
  visit(Field{.name = "latent_channels", .help = "channels of a latent", .min = 1, .max = 256},
        o.latent_channels);
  visit(Field{.name = "block_out_channels", .help = "width of each level, full resolution first"},
        o.block_out_channels);
  visit(
      Field{.name = "layers_per_block", .help = "residual blocks of a level", .min = 1, .max = 16},
      o.layers_per_block);
  visit(Field{.name = "norm_num_groups", .help = "groups of the norms", .min = 1, .max = 1024},
        o.norm_num_groups);
  visit(Field{.name = "scaling_factor", .help = "factor on the latents", .min = 1e-6, .max = 1e6},
        o.scaling_factor);
  visit(Field{.name = "shift_factor",
              .help = "taken from the latents before the factor",
              .min = -1e6,
              .max = 1e6},
        o.shift_factor);
  visit(Field{.name = "use_quant_conv", .help = "1 x 1 convolution behind the encoder"},
        o.use_quant_conv);
  visit(Field{.name = "use_post_quant_conv", .help = "1 x 1 convolution before the decoder"},
        o.use_post_quant_conv);
  visit(Field{.name = "mid_block_add_attention", .help = "attention in the middle"},
        o.mid_block_add_attention);
  visit(Field{.name = "sample_size", .help = "side it was trained at", .min = 1, .max = 65536},
        o.sample_size);
}

/// Pixels of a side per place of the latent: 2^(levels - 1).
std::int64_t autoencoder_downscale(const AutoencoderOptions& options);

/// @throws Error `code` naming `where`.field: no or too many levels, a width that the norm's groups
/// do not divide
void validate(const AutoencoderOptions& options, const std::string& where,
              ErrorCode code = ErrorCode::kConfig);

/// Reads diffusers' `config.json`; what it leaves out has diffusers' defaults, which are not those
/// above. Ignored: _class_name (when it is AutoencoderKL), _diffusers_version, _name_or_path,
/// force_upcast (fp16 is never used). Lists of block types must name the plain blocks, act_fn must
/// be silu, latents_mean and latents_std must be null.
/// @param where  what errors name, for example the file
/// @throws Error kCheckpoint naming the key: unknown, of a wrong type, out of range or not
/// supported
AutoencoderOptions autoencoder_options_from_json(const Json& json, std::string_view where);
/// The same back, as diffusers reads it.
Json autoencoder_options_to_json(const AutoencoderOptions& options);

}  // namespace medaug
