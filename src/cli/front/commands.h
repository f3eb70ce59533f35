// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "data/phantom.h"
#include "evaluation/classifier_options.h"
#include "evaluation/evaluate.h"
#include "evaluation/segmenter_options.h"
#include "inference/augment_plan.h"

// What a command line says, verb by verb, as plain values: the front fills them without loading
// LibTorch, the core runs them.

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
  std::vector<std::string> adapters;  ///< FILE or FILE:SCALE
};

/// `medaug augment`
struct AugmentCommand {
  SamplingFlags sampling;
  AugmentPlan plan;
  std::string manifest;
  std::string balance;
  std::string mask_transform = "none";
  std::string originals = "none";
  bool gate = false;      ///< judge each image before it is written
  std::string reference;  ///< real held-out images, for the gate's limits
  std::string training;   ///< what the generator was trained on; empty = the manifest
  std::string segmenter;  ///< for the gate's rule about masks
  std::optional<double> least_dice;
  std::int64_t retries = 3;
  bool resume = false;  // the same call goes on anyway; the flag says that one means it
};

/// `medaug check checkpoint`
struct CheckCheckpointCommand {
  std::string path;
  bool values = false;  ///< read published weights, too, not only their headers
  std::string images;   ///< folder or manifest: through an autoencoder and back
  std::int64_t image_size = 512;
  std::int64_t count = 8;  ///< of these images
};

/// `medaug check config`
struct CheckConfigCommand {
  std::string file;
  bool print = false;
  bool memory_table = false;  ///< what fits on which card, and nothing else
};

/// `medaug check data`
struct CheckDataCommand {
  std::vector<std::string> manifests;
  std::string config;
  std::string root;
  bool allow_outside = false;
  int threads = 2;
};

/// `medaug check paths`
struct CheckPathsCommand {
  std::string file = "configs/train_config.yaml";
};

/// `medaug classify`
struct ClassifyCommand {
  std::string original;
  std::string augmented;
  std::string val;
  std::string test;
  std::string output = "results/downstream_evaluation.json";
  std::string save;
  std::string label_map;
  std::string network = "efficientnet_lite0";
  std::string root;
  std::int64_t seeds = 3;
  std::int64_t image_size = 0;
  bool skip_unlabelled = false;
  bool equal_epochs = false;
  bool no_augment = false;
  bool allow_outside = false;
  ClassifierOptions classifier;  ///< all but the network
};

/// `medaug convert`
struct ConvertCommand {
  std::string source;
  std::string to;
  std::string output;
  std::string dtype = "keep";
  bool ema = false;
  bool no_ema = false;
  std::int64_t mask_classes = 0;
  bool drop_mask = false;
  std::optional<std::int64_t> heads;
  std::optional<std::int64_t> patch_size;
  std::optional<double> norm_eps;
  std::string vae;
  std::string text_encoder;
  std::int64_t image_size = 1024;
  bool force = false;
};

/// `medaug evaluate`
struct EvaluateCommand {
  EvaluateOptions evaluate;
  std::string rule = "red";
  std::string fit = "stretch";
  std::string output;
  std::string report;
  std::string csv;
  std::string summary_csv;
  std::vector<std::string> require;
  std::string language = "en";
};

/// `medaug experiment segmentation` and `medaug experiment classification`
struct ExperimentCommand {
  std::string task = "segmentation";
  std::string real;
  std::string synthetic;
  std::string val;
  std::string test;
  std::string generator;  ///< manifest that the generator was trained on
  std::string output;
  std::string report;
  std::string root;
  std::string label_map;
  std::string network = "efficientnet_lite0";
  std::vector<std::string> arms;  ///< empty = all
  std::vector<double> ratios;     ///< empty = the usual ones
  std::vector<std::string> class_names;
  double real_share = 0.5;
  std::int64_t image_size = 64;
  std::int64_t mask_classes = 1;
  std::int64_t labelled = 0;
  std::uint64_t labelled_seed = 0;
  std::int64_t seeds = 5;
  std::int64_t steps = 600;
  bool plan = false;  ///< check and train nothing
  bool allow_outside = false;
};

/// `medaug generate`
struct GenerateCommand {
  SamplingFlags sampling;
  std::string manifest;
  std::string caption;
  std::string mask;
  std::string init;
  std::string region;
  std::optional<std::int64_t> count;
};

/// `medaug help`
struct HelpCommand {
  std::string topic = "config";
  std::string key;
  bool markdown = false;
  bool schema = false;
};

/// `medaug lora merge`
struct LoraMergeCommand {
  std::string base;
  std::vector<std::string> adapters;
  std::vector<double> scales;  ///< empty = 1 for each; else one for all or one for each
  std::string output;
};

/// `medaug phantom`
struct PhantomCommand {
  std::string folder;
  std::string kind = "fundus";
  PhantomOptions phantom;
};

/// `medaug rollback`
struct RollbackCommand {
  std::string run;
  std::string pointer = "latest";
  std::optional<std::int64_t> step;
  bool list = false;  ///< show the checkpoints and change nothing
};

/// `medaug segmenter train`
struct SegmenterTrainCommand {
  SegmenterOptions segmenter;
  std::string config;
  std::string train;
  std::string val;
  std::string output;
  std::optional<std::int64_t> size;
  std::optional<std::int64_t> classes;
  std::vector<std::string> class_names;
  std::string root;
  bool allow_outside = false;
};

/// `medaug train`
struct TrainCommand {
  std::string config;
  std::string output;
  std::string resume;   ///< "", "latest" or a run folder
  std::string base;     ///< of --init; empty = weights are drawn
  std::string teacher;  ///< of --distill-guidance; empty = train on the images
  bool resuming = false;
  bool dry_run = false;
};

/// `medaug check env`
struct CheckEnvCommand {};

/// `medaug completion`
struct CompletionCommand {
  std::string shell;
};

/// `medaug serve`
struct ServeCommand {
  std::string checkpoint;
  std::string host = "127.0.0.1";
  std::int64_t port = 7860;
  bool lan = false;
  std::vector<std::string> allow_hosts;
  std::string segmenter;
  std::string training;
  std::string held_out;
  std::string runs;
  std::string root;
  std::string history = "medaug-history";
  std::int64_t history_mb = 2048;
  std::int64_t history_days = 30;
  std::int64_t queue = 32;
  std::int64_t drain_seconds = 30;
  std::string device;
  std::string precision = "bfloat16";
};

/// `medaug smoke-test`
struct SmokeTestCommand {
  bool keep = false;
};

using Command =
    std::variant<std::monostate, AugmentCommand, CheckCheckpointCommand, CheckConfigCommand,
                 CheckDataCommand, CheckEnvCommand, CheckPathsCommand, ClassifyCommand,
                 CompletionCommand, ConvertCommand, EvaluateCommand, ExperimentCommand,
                 GenerateCommand, HelpCommand, LoraMergeCommand, PhantomCommand, RollbackCommand,
                 SegmenterTrainCommand, ServeCommand, SmokeTestCommand, TrainCommand>;

/// What the whole command line says.
struct Globals {
  bool json = false;   ///< one JSON object on stdout instead of text
  bool quiet = false;  ///< no progress, no hints
  std::string log_level = "info";
  std::vector<std::string> overrides;  ///< --set section.key=value
  std::string line;                    ///< the whole command line, as a shell would read it back
  Command command;                     ///< what the verb says
};

}  // namespace medaug::cli
