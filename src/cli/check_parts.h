// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "base/json.h"
#include "cli/report.h"
#include "cli/run.h"

// `check checkpoint` of the pretrained parts that stand beside a model.

namespace medaug::cli {

enum class FrozenKind { kNone, kAutoencoder, kTextEncoder };

/// What config.json says, or of a single file the names of its tensors.
FrozenKind frozen_kind(const std::filesystem::path& path);

/// Sizes, tensors, finite weights; with --images how well it gives these pictures back.
/// @throws Error as `load_autoencoder`, kData for the pictures
nlohmann::ordered_json report_autoencoder(const std::filesystem::path& path,
                                          const CheckCheckpointCommand& options, Report& report);

/// Sizes, tensors and the tokenizer; headers only, unless --values asks for the numbers.
/// @throws Error as `load_gemma`
nlohmann::ordered_json report_text_encoder(const std::filesystem::path& path,
                                           const CheckCheckpointCommand& options, Report& report);

}  // namespace medaug::cli
