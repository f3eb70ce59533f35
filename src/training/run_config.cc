// SPDX-License-Identifier: MIT
#include "training/run_config.h"

#include <algorithm>
#include <system_error>

#include "base/strings.h"
#include "config/concat.h"
#include "config/reader.h"
#include "config/writer.h"
#include "data/manifest.h"
#include "training/base_model.h"
#include "training/run_config_check.h"
#include "training/sampling_preset.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

std::string text_at(const ConfigDocument& document, std::string_view key) {
  const auto* const node = document.find(key);
  return node != nullptr && node->kind == ConfigNode::Kind::kScalar ? node->text : "";
}

void check_preset(const ConfigDocument& document, const std::string& name) {
  const auto names = nextdit_preset_names();
  if (std::find(names.begin(), names.end(), name) != names.end()) {
    return;
  }
  const auto near = nearest(name, names);
  const auto guess = near.empty() ? std::string() : concat({" (did you mean '", near, "'?)"});
  throw Error(ErrorCode::kConfig, document.place_of("model.preset"),
              concat({"unknown preset '", printable(name, 60), "' for 'model.preset'", guess}),
              concat({"allowed: ", join(names, ", ")}));
}

// Presets come first, so that the keys of the config are laid over them.
void apply_presets(const ConfigDocument& document, RunConfig& config) {
  if (const auto name = text_at(document, "model.preset"); !name.empty()) {
    check_preset(document, name);
    config.model = nextdit_preset(name);
  }
  // A model of latents is sampled in its own way, which the defaults of pixels are far from.
  const fs::path base = text_at(document, "training.init_from");
  const auto located = base.empty() ? base : find_input(base, config.file.parent_path());
  if (const auto info = latent_base(located)) {
    config.sampler = info->sampler;
    config.guidance = info->guidance;
  }
  const auto preset = enum_from_name<SamplingPreset>(text_at(document, "sampling.preset"));
  apply_sampling_preset(preset.value_or(SamplingPreset::kDefault), config.sampler, config.guidance);
}

void resolve_paths(RunConfig& config) {
  const auto folder = config.file.parent_path();
  const auto located = [&](const std::string& path) {
    return path.empty() ? fs::path() : find_input(path, folder);
  };
  config.train_path = located(config.data.train_data);
  config.val_path = located(config.data.val_data);
  config.base = located(config.training.init_from);
  config.teacher = located(config.training.distill_from);
  config.checkpoint = located(config.inference.checkpoint);
  config.run_folder = config.output.folder;
  if (config.run_folder.empty()) {
    config.run_folder = fs::path("runs") / (config.file.empty() ? "run" : config.file.stem());
  }
}

ConfigDocument open_document(const fs::path& file) {
  return file.empty() ? ConfigDocument() : ConfigDocument::load(file, run_config_aliases());
}

}  // namespace

const std::vector<KeyAlias>& run_config_aliases() {
  static const std::vector<KeyAlias> kAliases{
      {"data.train_data_path", "data.train_data"},
      {"data.val_data_path", "data.val_data"},
      {"data.train_manifest", "data.train_data"},
      {"data.val_manifest", "data.val_data"},
      {"data.batch_size", "training.batch_size"},
      {"training.num_workers", "data.num_workers"},
      {"training.image_size", "data.image_size"},
      {"model.image_size", "data.image_size"},
      {"training.epochs", "training.num_epochs"},
      {"training.lr", "training.learning_rate"},
      {"training.gradient_accumulation_steps", "training.accumulation"},
      {"training.max_grad_norm", "training.grad_clip"},
      {"training.gradient_checkpointing", "training.checkpoint_activations"},
      {"training.output_dir", "output.folder"},
      {"optimizer.state_dtype", "training.state_dtype"},
      {"checkpoint", "inference.checkpoint"},
      {"checkpoint_path", "inference.checkpoint"},
      {"model.checkpoint", "inference.checkpoint"},
      {"model.checkpoint_path", "inference.checkpoint"},
      {"inference.checkpoint_path", "inference.checkpoint"},
      {"caption", "inference.caption"},
      {"image_size", "inference.image_size"},
      {"seed", "inference.seed"},
      {"device", "inference.device"},
      {"output_dir", "output.folder"},
      {"num_inference_steps", "sampling.steps"},
      {"inference.num_inference_steps", "sampling.steps"},
      {"sampling.num_inference_steps", "sampling.steps"},
      {"guidance_scale", "guidance.text"},
      {"inference.guidance_scale", "guidance.text"},
      {"sampling.guidance_scale", "guidance.text"},
  };
  return kAliases;
}

RunConfig load_run_config(const fs::path& file, std::span<const std::string> overrides,
                          ConfigUse use, const fs::path& run_folder) {
  auto document = open_document(file);
  document.apply_overrides(overrides, run_config_aliases());
  RunConfig config;
  config.file = file;
  apply_presets(document, config);
  ConfigReader read(document, run_config_aliases());
  describe_sections(read, config);
  read.finish();
  if (!run_folder.empty()) {
    config.output.folder = run_folder.string();
  }
  resolve_paths(config);
  check_run_config(config, document, use);
  return config;
}

ConfigUse guess_use(const fs::path& file) {
  const auto document = open_document(file);
  const auto has = [&](std::string_view section) {
    return document.root().find(section) != nullptr;
  };
  const bool trains = has("data") || has("training") || has("model");
  const bool generates = has("inference") || has("sampling") || has("guidance");
  return trains || !generates ? ConfigUse::kTrain : ConfigUse::kInference;
}

std::vector<FieldInfo> run_config_fields(RunConfig config) {
  FieldLister list;
  describe_sections(list, config);
  return list.fields();
}

std::string run_config_yaml(const RunConfig& config) {
  return config_yaml(run_config_fields(config));
}

std::string run_folder_yaml(const RunConfig& config) {
  auto kept = config;
  const auto from_run = [&](const fs::path& path) {
    std::error_code ignored;
    const auto relative = fs::relative(path, config.run_folder, ignored);
    return (relative.empty() ? path : relative).generic_string();
  };
  if (config.data.root.empty() && !config.train_path.empty()) {
    kept.data.train_data = from_run(config.train_path);
    kept.data.val_data = config.val_path.empty() ? "" : from_run(config.val_path);
  }
  kept.training.init_from = config.base.empty() ? "" : from_run(config.base);
  kept.training.distill_from = config.teacher.empty() ? "" : from_run(config.teacher);
  kept.output.folder = fs::absolute(config.run_folder).lexically_normal().string();
  return run_config_yaml(kept);
}

fs::path find_input(const fs::path& path, const fs::path& folder) {
  const auto exists = [](const fs::path& candidate) {
    std::error_code ignored;
    return fs::exists(candidate, ignored) || fs::exists(candidate.string() + ".jsonl", ignored);
  };
  const bool beside_config = !path.is_absolute() && !exists(path) && exists(folder / path);
  return beside_config ? folder / path : path;
}

fs::path train_manifest(const RunConfig& config) {
  return find_manifest(config.train_path, "train");
}

fs::path val_manifest(const RunConfig& config) {
  return config.val_path.empty() ? fs::path() : find_manifest(config.val_path, "val");
}

}  // namespace medaug
