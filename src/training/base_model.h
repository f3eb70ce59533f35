// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "training/model_file.h"
#include "training/run_config.h"

namespace medaug {

/// The model that a run starts from.
struct BaseModel {
  std::filesystem::path path;  ///< of the file
  ModelWeights weights;
};

/// @param given  model or adapter file, step folder or run. @throws Error kCheckpoint
BaseModel open_base_model(const std::filesystem::path& given);

/// The description of the model at `base` when it is one of latents or with a frozen text encoder.
/// Nothing for another, for no path, and for what cannot be read: the run says what is wrong.
std::optional<ModelInfo> latent_base(const std::filesystem::path& base);

/// Whether a model of these options can start from the base: all are the same but for masks and the
/// augment vector where the base has none. @throws Error kConfig naming the first that differs
void require_same_network(const GeneratorOptions& wanted, const BaseModel& base);

/// The base's weights into a model, by name. Only layers that masks or the augment vector enter by
/// may be new, and then they are zero: the model does what its base does. The base's tensors are
/// given up. @throws Error kCheckpoint naming the first tensor that does not fit
void start_from(Generator& model, BaseModel& base);

}  // namespace medaug
