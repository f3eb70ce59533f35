// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

#include "base/fields.h"
#include "models/generator.h"

namespace medaug {

/// The pretrained parts that a model works with: too large to stand in every checkpoint, they stay
/// in their own folders, and the model file names them.
struct FrozenSources {
  std::string autoencoder;        ///< folder or file (`load_autoencoder`); empty = pixel space
  std::string autoencoder_hash;   ///< SHA-256 of its weights
  std::string text_encoder;       ///< folder (`load_gemma`); empty = the model has its own
  std::string text_encoder_hash;  ///< SHA-256 of its weights and config
};

template <class Visitor>
void describe(Visitor& visit, FrozenSources& o) {
  visit(Field{.name = "autoencoder", .help = "folder of the autoencoder; empty = pixel space"},
        o.autoencoder);
  visit(Field{.name = "autoencoder_hash", .help = "SHA-256 of its weights"}, o.autoencoder_hash);
  visit(Field{.name = "text_encoder", .help = "folder of the text encoder; empty = its own"},
        o.text_encoder);
  visit(Field{.name = "text_encoder_hash", .help = "SHA-256 of its weights"}, o.text_encoder_hash);
}

/// The hashes of what is in these folders. @throws Error kCheckpoint
FrozenSources with_hashes(FrozenSources sources);

/// With whole paths. @param model_folder  where a relative one begins
FrozenSources with_whole_paths(FrozenSources sources, const std::filesystem::path& model_folder);

/// Loads the parts that the options need and gives them to the model.
/// @param model_folder  where a relative path begins
/// @throws Error kCheckpoint for a folder that is not there, that holds other weights than when the
/// model was made, or parts that do not fit the network
void attach_frozen_parts(Generator& model, const FrozenSources& sources,
                         const std::filesystem::path& model_folder, at::Device device,
                         at::ScalarType dtype);

}  // namespace medaug
