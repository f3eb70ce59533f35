// SPDX-License-Identifier: MIT
#include "checkpoint/autoencoder_file.h"

#include <array>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "checkpoint/config_json.h"
#include "checkpoint/load.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kUsualGroups = 32;
constexpr const char* kConfig = "config.json";
constexpr const char* kWeights = "diffusion_pytorch_model.safetensors";
constexpr std::array<const char*, 3> kWeightFiles{
    kWeights,
    "diffusion_pytorch_model.bf16.safetensors",
    "diffusion_pytorch_model.fp16.safetensors",
};

std::string shown(const fs::path& path) { return printable(path.string(), 1000); }

[[noreturn]] void refuse(const fs::path& path, const std::string& message,
                         const std::string& hint = "") {
  throw Error(ErrorCode::kCheckpoint, shown(path), message, hint);
}

fs::path weights_in(const fs::path& folder) {
  for (const char* name : kWeightFiles) {
    if (fs::exists(folder / name)) {
      return folder / name;
    }
  }
  if (fs::exists(folder / "vae")) {
    return weights_in(folder / "vae");
  }
  const bool pickled = fs::exists(folder / "diffusion_pytorch_model.bin");
  refuse(folder, std::string("has no ") + kWeights,
         pickled ? "diffusion_pytorch_model.bin may run code when it is read; convert it, for "
                   "example with AutoencoderKL.from_pretrained(...).save_pretrained(...)"
                 : "an autoencoder's folder holds config.json and this file");
}

AutoencoderOptions read_config(const fs::path& path) {
  return autoencoder_options_from_json(read_config_json(path), shown(path));
}

AutoencoderOptions options_for(const SafetensorsFile& weights, const AutoencoderSource& source) {
  const auto config = weights.path.parent_path() / kConfig;
  if (fs::exists(config)) {
    return read_config(config);
  }
  auto options = autoencoder_options_of(weights);
  if (!source.scaling_factor) {
    refuse(weights.path, "has no config.json beside it, and shapes do not tell the scaling_factor",
           "the SDXL VAE has 0.13025, Stable Diffusion 1.x 0.18215, SD3 1.5305 with shift_factor "
           "0.0609");
  }
  options.scaling_factor = *source.scaling_factor;
  options.shift_factor = source.shift_factor;
  validate(options, shown(weights.path), ErrorCode::kCheckpoint);
  return options;
}

std::int64_t side_of(const SafetensorsFile& weights, const std::string& name, std::int64_t dim) {
  const auto& tensor = weights.at(name);
  if (tensor.dim() != 4) {
    refuse(weights.path, "tensor '" + name + "' is not the weight of a convolution",
           "this does not look like an autoencoder");
  }
  return tensor.size(dim);
}

/// How many of PREFIX 0 SUFFIX, PREFIX 1 SUFFIX, ... there are.
std::int64_t count_of(const SafetensorsFile& weights, const std::string& prefix,
                      const std::string& suffix) {
  std::int64_t count = 0;
  while (weights.tensors.contains(prefix + std::to_string(count) + suffix)) {
    ++count;
  }
  return count;
}

}  // namespace

AutoencoderOptions autoencoder_options_of(const SafetensorsFile& weights) {
  const std::string blocks = "encoder.down_blocks.", layer = ".conv1.weight";
  AutoencoderOptions o;
  o.in_channels = side_of(weights, "encoder.conv_in.weight", 1);
  o.out_channels = side_of(weights, "decoder.conv_out.weight", 0);
  o.latent_channels = side_of(weights, "decoder.conv_in.weight", 1);
  o.layers_per_block = count_of(weights, blocks + "0.resnets.", layer);
  o.block_out_channels.clear();
  const auto levels = count_of(weights, blocks, ".resnets.0" + layer);
  for (std::int64_t i = 0; i < levels; ++i) {
    o.block_out_channels.push_back(
        side_of(weights, blocks + std::to_string(i) + ".resnets.0" + layer, 0));
  }
  o.norm_num_groups = kUsualGroups;
  o.use_quant_conv = weights.tensors.contains("quant_conv.weight");
  o.use_post_quant_conv = weights.tensors.contains("post_quant_conv.weight");
  o.mid_block_add_attention =
      weights.tensors.contains("encoder.mid_block.attentions.0.to_q.weight");
  validate(o, shown(weights.path), ErrorCode::kCheckpoint);
  return o;
}

AutoencoderOptions read_autoencoder_options(const fs::path& path) {
  return options_for(with_diffusers_names(read_safetensors_header(autoencoder_weights(path))), {});
}

fs::path autoencoder_weights(const fs::path& path) {
  return fs::is_directory(path) ? weights_in(path) : path;
}

std::unique_ptr<Autoencoder> load_autoencoder(const fs::path& path,
                                              const AutoencoderSource& source) {
  if (source.dtype != at::kFloat && source.dtype != at::kBFloat16) {
    throw Error(ErrorCode::kInvalidArgument, "autoencoder dtype", "must be float32 or bfloat16",
                "activations of the SDXL VAE leave the range of float16");
  }
  const auto weights = with_diffusers_names(read_safetensors(autoencoder_weights(path)));
  const auto options = options_for(weights, source);
  auto model = std::make_unique<Autoencoder>(options, std::nullopt);
  model->to(source.dtype);
  copy_into(nn::named_parameters(*model), weights);
  require_finite(weights);
  model->to(source.device);
  return model;
}

void write_autoencoder(const fs::path& folder, const Autoencoder& model) {
  make_folders(folder);
  write_safetensors(folder / kWeights, nn::named_parameters(model), {{"format", "pt"}});
  write_file_atomically(folder / kConfig,
                        autoencoder_options_to_json(model.options()).dump(2) + "\n");
}

}  // namespace medaug
