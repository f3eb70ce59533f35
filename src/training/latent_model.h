// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "checkpoint/lineage/export.h"
#include "models/gemma_options.h"
#include "text/tokenizer.h"
#include "training/frozen_parts.h"

namespace medaug {

struct LatentModelOptions {
  FrozenSources parts;  ///< folders of the autoencoder and the text encoder; hashes are made here
  std::int64_t image_size = 1024;  ///< pixels that the backbone was trained at
  ExportDtype dtype = ExportDtype::kKeep;
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

/// `tokenizer.model` of a Gemma's folder. @throws Error kCheckpoint when it is missing, damaged or
/// of another model
Tokenizer gemma_tokenizer(const std::filesystem::path& folder, const GemmaOptions& gemma);

/// Makes a backbone of latents, an autoencoder and a Gemma text encoder one model, which `generate`
/// and `train` take as any other: the backbone's weights, the tokenizer and the places of the two
/// others in one file. It predicts the velocity and samples as Lumina-Next does.
/// @throws Error kCheckpoint naming what does not fit together: latent channels, width of the
/// captions, a tokenizer of another model
/// @param folder  gets model.safetensors
ExportedBackbone write_latent_model(const std::filesystem::path& folder,
                                    const ImportedBackbone& backbone,
                                    const LatentModelOptions& options);

}  // namespace medaug
