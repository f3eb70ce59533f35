// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "checkpoint/safetensors.h"
#include "models/autoencoder.h"

namespace medaug {

struct AutoencoderSource {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;  ///< kFloat or kBFloat16
  /// For weights without a config.json, whose shapes do not tell the scale of the latents.
  std::optional<double> scaling_factor = {};
  double shift_factor = 0.0;
};

/// Reads an autoencoder.
/// @param path  a folder as diffusers writes it (config.json beside
/// diffusion_pytorch_model.safetensors, or its .bf16 or .fp16 variant), a pipeline's folder with
/// such a folder `vae`, or a safetensors file; beside the file, config.json is read when it is
/// there. Names are diffusers', with the attention layers' old ones (query, key, value, proj_attn),
/// or those of latent-diffusion's own files (encoder.down.N.block.M, nin_shortcut, mid.attn_1).
/// @throws Error kCheckpoint: nothing there, config.json not supported (see
/// autoencoder_options_from_json), a tensor missing, too many, of a wrong shape or not finite, or
/// weights without config.json and without `scaling_factor`; kInvalidArgument for float16
std::unique_ptr<Autoencoder> load_autoencoder(const std::filesystem::path& path,
                                              const AutoencoderSource& source = {});

/// The options alone, from headers and config.json. @throws Error as `load_autoencoder`
AutoencoderOptions read_autoencoder_options(const std::filesystem::path& path);
/// The file that `load_autoencoder` reads the weights from. @throws Error kCheckpoint
std::filesystem::path autoencoder_weights(const std::filesystem::path& path);

/// Writes config.json and diffusion_pytorch_model.safetensors, as diffusers reads them, in the
/// dtype of the weights. @throws Error kResource
void write_autoencoder(const std::filesystem::path& folder, const Autoencoder& model);

/// What the shapes of the weights tell of the options: all but the scale of the latents, and 32
/// groups of the norms.
/// @throws Error kCheckpoint when they are not an autoencoder's
AutoencoderOptions autoencoder_options_of(const SafetensorsFile& weights);

/// Gives all tensors diffusers' names and shapes; names that are known in no layout stay.
/// @throws Error kCheckpoint when two tensors have the same name then
SafetensorsFile with_diffusers_names(SafetensorsFile weights);

}  // namespace medaug
