// SPDX-License-Identifier: MIT
#include "cli/sampling.h"

#include <cmath>
#include <limits>
#include <utility>

#include "base/ascii.h"
#include "base/error.h"
#include "base/strings.h"
#include "checkpoint/run_folder.h"
#include "cli/version.h"
#include "config/concat.h"
#include "config/document.h"
#include "config/reader.h"
#include "text/caption.h"
#include "training/setup.h"

namespace medaug::cli {
namespace {

constexpr std::int64_t kMaxSide = 8192;

/// Options as `--set` would say them, behind the user's own: the last of two wins.
std::vector<std::string> overrides_of(const Globals& globals, const SamplingFlags& flags) {
  auto overrides = globals.overrides;
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) {
      overrides.push_back(concat({key, "=", value}));
    }
  };
  add("sampling.preset", flags.preset);
  add("sampling.steps", flags.steps ? std::to_string(*flags.steps) : "");
  add("sampling.solver", flags.solver);
  add("guidance.text", flags.guidance ? Json(*flags.guidance).dump() : "");
  add("guidance.mask", flags.mask_guidance ? Json(*flags.mask_guidance).dump() : "");
  add("inference.seed", flags.seed ? std::to_string(*flags.seed) : "");
  add("inference.device", flags.device);
  return overrides;
}

std::optional<std::int64_t> side_of(std::string_view text) {
  const auto side = number_in<std::int64_t>(text);
  return side && *side > 0 && *side <= kMaxSide ? side : std::nullopt;
}

/// "64" or "48x64", height first.
std::pair<std::int64_t, std::int64_t> parse_size(const std::string& text) {
  const auto cross = text.find('x');
  const auto height = side_of(std::string_view(text).substr(0, cross));
  const auto width =
      cross == std::string::npos ? height : side_of(std::string_view(text).substr(cross + 1));
  if (!height || !width) {
    throw Error(ErrorCode::kUsage, "--size", concat({"'", printable(text, 40), "' is not a size"}),
                "write one side, as 64, or height x width, as 48x64; at most 8192");
  }
  return {*height, *width};
}

}  // namespace

RunConfig sampling_config(const Globals& globals, const SamplingFlags& flags) {
  auto config = load_run_config(flags.config, overrides_of(globals, flags), ConfigUse::kInference);
  if (!flags.checkpoint.empty()) {
    config.checkpoint = flags.checkpoint;
  }
  if (config.checkpoint.empty()) {
    throw Error(ErrorCode::kUsage, "--checkpoint", "no checkpoint is named",
                "give a run folder or checkpoints/best_model.safetensors of one");
  }
  const auto folder = flags.output.empty() ? config.output.folder : flags.output;
  if (folder.empty()) {
    throw Error(ErrorCode::kUsage, "--output", "is missing", "name a new folder");
  }
  config.run_folder = folder;
  if (!flags.size.empty()) {
    parse_size(flags.size);
  }
  return config;
}

AdapterChoice parse_adapter(const std::string& text) {
  const auto colon = text.rfind(':');
  double scale = 1.0;
  auto file = text;
  if (colon != std::string::npos) {
    scale = number_in<double>(std::string_view(text).substr(colon + 1))
                .value_or(std::numeric_limits<double>::quiet_NaN());
    if (!std::isfinite(scale)) {
      throw Error(ErrorCode::kUsage, "--lora",
                  concat({"'", printable(text.substr(colon + 1), 40), "' is not a strength"}),
                  "write FILE or FILE:0.8");
    }
    file = text.substr(0, colon);
  }
  return {find_inference_file(file), scale};
}

ImageGenerator open_generator(const RunConfig& config, const SamplingFlags& flags) {
  ImageGenerator::Options options;
  options.device = pick_device(config.inference.device, "--device");
  options.dtype = flags.precision == "float32" ? at::kFloat : at::kBFloat16;
  for (const auto& adapter : flags.adapters) {
    options.adapters.push_back(parse_adapter(adapter));
  }
  return {config.checkpoint, options};
}

GenerateSettings settings_for(const Globals& globals, const SamplingFlags& flags,
                              const RunConfig& config, const ImageGenerator& generator) {
  auto settings = generator.defaults();
  // A preset replaces the checkpoint's settings as a whole; without one, only what is written
  // somewhere does.
  if (config.sampling.preset != SamplingPreset::kDefault) {
    settings.sampler = config.sampler;
    settings.guidance = config.guidance;
  }
  auto document = flags.config.empty() ? ConfigDocument()
                                       : ConfigDocument::load(flags.config, run_config_aliases());
  document.apply_overrides(overrides_of(globals, flags), run_config_aliases());
  RunConfig laid_over;
  laid_over.sampler = settings.sampler;
  laid_over.guidance = settings.guidance;
  ConfigReader read(document, run_config_aliases());
  describe_sections(read, laid_over);
  read.finish();
  settings.sampler = laid_over.sampler;
  settings.guidance = laid_over.guidance;
  settings.negative_caption = normalize_caption(flags.negative, "--negative", ErrorCode::kUsage);
  settings.image_size = config.inference.image_size;
  if (!flags.size.empty()) {
    std::tie(settings.image_size, settings.image_width) = parse_size(flags.size);
  }
  return settings;
}

Provenance provenance_of(const ImageGenerator& generator, const GenerateSettings& settings,
                         const SamplingFlags& flags) {
  return {version_json().at("version").get<std::string>(), generator.checkpoint_sha256(), settings,
          flags.precision};
}

}  // namespace medaug::cli
