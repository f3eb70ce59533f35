// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "base/json.h"

namespace medaug {

/// A `config.json` of transformers or diffusers, or what stands beside weights in its place.
/// @throws Error kCheckpoint when it is not there, above a MiB or not a JSON object
nlohmann::ordered_json read_config_json(const std::filesystem::path& path);

}  // namespace medaug
