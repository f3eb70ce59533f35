// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "config/document.h"
#include "config/field_info.h"
#include "data/augment.h"
#include "data/preprocess.h"
#include "flow/path.h"
#include "flow/sampler.h"
#include "models/lora.h"
#include "models/options.h"
#include "training/options.h"

namespace medaug {

/// Everything a config file says about a run, and where its files are.
struct RunConfig {
  DataOptions data;
  PreprocessOptions preprocess;  ///< section `data` too
  AugmentOptions augment;
  NextDiTOptions model;
  TextEncoderOptions text;
  FlowOptions flow;
  TrainingOptions training;
  LoraOptions lora;
  SamplingOptions sampling;
  SamplerOptions sampler;  ///< section `sampling` too
  GuidanceOptions guidance;
  InferenceOptions inference;
  OutputOptions output;

  std::filesystem::path file;        ///< the config; empty when there is none
  std::filesystem::path train_path;  ///< data.train_data located; it may not exist
  std::filesystem::path val_path;    ///< data.val_data located; empty when not given
  std::filesystem::path base;        ///< training.init_from located; empty when not given
  std::filesystem::path teacher;     ///< training.distill_from located; empty when not given
  std::filesystem::path checkpoint;  ///< inference.checkpoint located; empty when not given
  std::filesystem::path run_folder;  ///< output.folder, or runs/<name of the config>
};

/// Visits every section of a config with `visit("name", options)`; several structs may share a
/// section.
template <class Visitor>
void describe_sections(Visitor& visit, RunConfig& c) {
  visit("data", c.data);
  visit("data", c.preprocess);
  visit("augment", c.augment);
  visit("model", c.model);
  visit("text", c.text);
  visit("flow", c.flow);
  visit("training", c.training);
  visit("lora", c.lora);
  visit("sampling", c.sampling);
  visit("sampling", c.sampler);
  visit("guidance", c.guidance);
  visit("inference", c.inference);
  visit("output", c.output);
}

enum class ConfigUse {
  kTrain,      ///< data.train_data must be set; output must be writable
  kInference,  ///< neither data nor a model is asked for
};

/// Reads a config, lays the overrides over it and checks it as a whole. A model or sampling preset
/// fills what the config does not set. Paths are looked up from the working directory first, then
/// from the config's folder.
/// @param file       empty = defaults and overrides only
/// @param overrides  "section.key=value", as `--set` gives them
/// @param run_folder takes the place of output.folder when not empty
/// @throws Error kConfig with file:line:column of everything that is wrong
RunConfig load_run_config(const std::filesystem::path& file,
                          std::span<const std::string> overrides = {},
                          ConfigUse use = ConfigUse::kTrain,
                          const std::filesystem::path& run_folder = {});

/// What a config is for, by its sections: inference when it has neither `data` nor `training` nor
/// `model`.
ConfigUse guess_use(const std::filesystem::path& file);

/// Names of the original project and other older names.
const std::vector<KeyAlias>& run_config_aliases();

/// Every field with its present value; of the defaults when no config is given.
std::vector<FieldInfo> run_config_fields(RunConfig config = {});

/// The effective config as commented YAML; loading it gives the same options.
std::string run_config_yaml(const RunConfig& config);

/// The same to be kept in the run folder: paths of the data are relative to it (unless data.root
/// is set) and output.folder is absolute, so that the run can be gone on with from anywhere.
std::string run_folder_yaml(const RunConfig& config);

/// The manifests of a run (find_manifest of data/manifest.h). @throws Error kData when there is
/// none
std::filesystem::path train_manifest(const RunConfig& config);
/// Empty when data.val_data is.
std::filesystem::path val_manifest(const RunConfig& config);

/// `path` (or `path`.jsonl) from the working directory when it exists there, else from `folder`
/// when it exists there, else as it is.
std::filesystem::path find_input(const std::filesystem::path& path,
                                 const std::filesystem::path& folder);

}  // namespace medaug
