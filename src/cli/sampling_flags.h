// SPDX-License-Identifier: MIT
#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/globals.h"
#include "inference/image_generator.h"
#include "inference/output_writer.h"
#include "training/run_config.h"

namespace medaug::cli {

/// The options that `generate` and `augment` share. Empty = not given.
struct SamplingFlags {
  std::string checkpoint;
  std::string config;
  std::string output;
  std::optional<std::int64_t> seed;
  std::optional<std::int64_t> steps;
  std::optional<double> guidance;
  std::optional<double> mask_guidance;
  std::string solver;
  std::string size;
  std::string negative;
  std::string preset;
  std::string device;
  std::string precision = "bfloat16";
  std::string root;
  bool allow_outside = false;
};

void add_sampling_options(CLI::App& verb, SamplingFlags& flags);

/// Config, `--set` and options put together; nothing is opened yet but the config.
/// @throws Error kConfig, kUsage
RunConfig sampling_config(const Globals& globals, const SamplingFlags& flags);

/// @throws Error kUsage when no checkpoint is named, kCheckpoint, kResource without the wanted GPU
ImageGenerator open_generator(const RunConfig& config, const SamplingFlags& flags);

/// The checkpoint's settings with what preset, config, `--set` and options say written over them.
GenerateSettings settings_for(const Globals& globals, const SamplingFlags& flags,
                              const RunConfig& config, const ImageGenerator& generator);

Provenance provenance_of(const ImageGenerator& generator, const GenerateSettings& settings,
                         const SamplingFlags& flags);

}  // namespace medaug::cli
