// SPDX-License-Identifier: MIT
#pragma once

#include "cli/run.h"
#include "inference/image_generator.h"
#include "inference/output_writer.h"
#include "training/run_config.h"

namespace medaug::cli {

/// Config, `--set` and options put together; nothing is opened yet but the config.
/// @throws Error kConfig, kUsage
RunConfig sampling_config(const Globals& globals, const SamplingFlags& flags);

/// An adapter of "FILE" or "FILE:SCALE"; a run folder gives its best one.
/// @throws Error kUsage for what is no number, kCheckpoint
AdapterChoice parse_adapter(const std::string& text);

/// @throws Error kUsage when no checkpoint is named, kCheckpoint, kResource without the wanted GPU
ImageGenerator open_generator(const RunConfig& config, const SamplingFlags& flags);

/// The checkpoint's settings with what preset, config, `--set` and options say written over them.
GenerateSettings settings_for(const Globals& globals, const SamplingFlags& flags,
                              const RunConfig& config, const ImageGenerator& generator);

Provenance provenance_of(const ImageGenerator& generator, const GenerateSettings& settings,
                         const SamplingFlags& flags);

}  // namespace medaug::cli
