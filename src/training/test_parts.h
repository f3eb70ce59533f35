// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/ops/randn.h>

#include <filesystem>

#include "base/files.h"
#include "checkpoint/autoencoder_file.h"
#include "checkpoint/lineage/test_backbone.h"
#include "checkpoint/load_gemma.h"
#include "models/autoencoder.h"
#include "text/tokenizer.h"

// The three parts of a model of latents at toy size, in the folders of their projects, for tests.

namespace medaug::test {

inline constexpr const char* kSmallGemma =
    R"({"model_type":"gemma","vocab_size":512,"hidden_size":32,
  "intermediate_size":64,"num_hidden_layers":3,"num_attention_heads":2,"num_key_value_heads":1,
  "head_dim":16,"max_position_embeddings":512})";

inline void write_small_gemma(const std::filesystem::path& folder) {
  make_folders(folder);
  write_file_atomically(folder / "config.json", kSmallGemma);
  write_file_atomically(folder / "tokenizer.model",
                        Tokenizer::train({"a scan of the brain", "a tumour"}, 300, 1).serialized());
  NamedTensors tensors;
  at::manual_seed(3);
  for (const auto& [name, shape] : gemma_layout(read_gemma_options(folder))) {
    tensors.emplace_back(name, at::randn(shape) * 0.2);
  }
  write_safetensors(folder / "model.safetensors", tensors);
}

/// Halves the side.
inline void write_small_autoencoder(const std::filesystem::path& folder, std::uint64_t seed = 5,
                                    std::int64_t latent_channels = 4) {
  AutoencoderOptions vae;
  vae.block_out_channels = {32, 32};
  vae.layers_per_block = 1;
  vae.latent_channels = latent_channels;
  vae.scaling_factor = 0.5;
  write_autoencoder(folder, Autoencoder(vae, seed));
}

/// In Lumina-Next's form.
inline void write_small_backbone(const std::filesystem::path& folder) {
  auto options = small_backbone();
  options.caption_dim = 32;
  at::manual_seed(4);
  make_folders(folder);
  save(folder / "consolidated.00-of-01.safetensors", random_weights(options));
}

}  // namespace medaug::test
