// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/options.h"

namespace medaug {

/// Shapes under the names of Lumina-Next.
using TensorShapes = std::map<std::string, std::vector<std::int64_t>>;

/// What the shapes of the tensors do not tell. None = the value of the published models.
struct KnownOptions {
  std::optional<std::int64_t> patch_size;   ///< 2
  std::optional<std::int64_t> heads;        ///< told by the gates, when there are captions
  std::optional<double> norm_eps;           ///< 1e-5
  std::optional<std::int64_t> sample_size;  ///< side of the trained latents, diffusers only
};

/// Options of the network that has these tensors.
/// @param where  the file, for errors
/// @throws Error kCheckpoint for shapes that no NextDiT has, and for the six-way modulation (shift,
/// scale and gate) of an early Lumina-Next-T2I
NextDiTOptions options_from_shapes(const TensorShapes& shapes, const KnownOptions& known,
                                   const std::string& where);

/// What a config.json of diffusers adds, and what a model_args.json of medaug does; `given` goes
/// first.
/// @throws Error kCheckpoint for a config of another class or with wrong types
KnownOptions known_from_config(const std::filesystem::path& config, const KnownOptions& given);

/// Compares what a config.json of diffusers says with the network that the tensors are of.
/// @throws Error kCheckpoint naming the key
void check_config(const std::filesystem::path& config, const NextDiTOptions& options);

/// "2b-gqa with qk-norm (NextDiT_2B_GQA_patch2)", or the sizes for a network without a name.
std::string configuration_name(const NextDiTOptions& options);

/// The name of the published configuration, or "".
std::string lumina_model_name(const NextDiTOptions& options);

}  // namespace medaug
