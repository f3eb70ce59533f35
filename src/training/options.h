// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fields.h"

namespace medaug {

/// Of the weights, ema_half_life and ema_decay together: each is a copy in memory and in
/// checkpoints.
inline constexpr int kMostAverages = 3;

/// Seeds count up from image to image, and are exact in every place that writes numbers as float64.
inline constexpr double kLargestSeed = 9e15;

/// What a run is trained on. Shares the section `data` with PreprocessOptions.
struct DataOptions {
  std::string train_data;  ///< manifest, or a folder that has one
  std::string val_data;    ///< likewise; empty = val_fraction of train_data is held out
  std::string root;        ///< what the manifests' relative paths start from; empty = see docs
  double val_fraction = 0.1;
  std::int64_t num_workers = 2;
  double max_bad_fraction = 0.0;
  bool allow_outside = false;
};

template <class Visitor>
void describe(Visitor& visit, DataOptions& o) {
  visit(Field{.name = "train_data", .help = "manifest (.jsonl), or a folder that has one"},
        o.train_data);
  visit(Field{.name = "val_data",
              .help = "held-out manifest or folder; empty = val_fraction of train_data"},
        o.val_data);
  visit(
      Field{.name = "root",
            .help =
                "folder that the manifests' relative paths start from; empty = the manifest's own"},
      o.root);
  visit(Field{.name = "val_fraction",
              .help = "share of train_data held out, whole groups, when there is no val_data",
              .min = 0,
              .max = 0.5},
        o.val_fraction);
  visit(Field{.name = "num_workers",
              .help = "threads that read pictures; 0 = the main thread",
              .min = 0,
              .max = 256},
        o.num_workers);
  visit(Field{.name = "max_bad_fraction",
              .help = "share of unreadable records that are skipped, not fatal",
              .min = 0,
              .max = 1},
        o.max_bad_fraction);
  visit(Field{.name = "allow_outside",
              .help = "allow absolute paths, and paths that leave root through '..'"},
        o.allow_outside);
}

enum class Schedule { kCosine, kConstant };
template <>
struct EnumNames<Schedule> {
  static constexpr std::pair<Schedule, std::string_view> kNames[] = {
      {Schedule::kCosine, "cosine"}, {Schedule::kConstant, "constant"}};
};

enum class OptimizerKind { kAdamW, kMuon };
template <>
struct EnumNames<OptimizerKind> {
  static constexpr std::pair<OptimizerKind, std::string_view> kNames[] = {
      {OptimizerKind::kAdamW, "adamw"}, {OptimizerKind::kMuon, "muon"}};
};

enum class AmpDtype { kBFloat16, kFloat16, kFloat32 };
template <>
struct EnumNames<AmpDtype> {
  static constexpr std::pair<AmpDtype, std::string_view> kNames[] = {
      {AmpDtype::kBFloat16, "bfloat16"},
      {AmpDtype::kFloat16, "float16"},
      {AmpDtype::kFloat32, "float32"}};
};

enum class StateDtype { kFloat32, kBFloat16 };
template <>
struct EnumNames<StateDtype> {
  static constexpr std::pair<StateDtype, std::string_view> kNames[] = {
      {StateDtype::kFloat32, "float32"}, {StateDtype::kBFloat16, "bfloat16"}};
};

enum class DeviceChoice { kAuto, kCpu, kCuda };
template <>
struct EnumNames<DeviceChoice> {
  static constexpr std::pair<DeviceChoice, std::string_view> kNames[] = {
      {DeviceChoice::kAuto, "auto"}, {DeviceChoice::kCpu, "cpu"}, {DeviceChoice::kCuda, "cuda"}};
};

/// Budget, optimiser, precision and what is written when. A run ends at the first of num_epochs,
/// max_steps and max_minutes that is set; with max_minutes the learning-rate schedule follows the
/// clock.
struct TrainingOptions {
  std::int64_t batch_size = 32;
  std::int64_t num_epochs = 100;
  std::int64_t max_steps = 0;
  double max_minutes = 0.0;
  OptimizerKind optimizer = OptimizerKind::kAdamW;
  double learning_rate = 1e-4;
  double muon_learning_rate = 4e-3;
  double muon_momentum = 0.95;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double eps = 1e-8;
  double weight_decay = 0.0;
  std::int64_t warmup_steps = 100;
  Schedule schedule = Schedule::kCosine;
  double final_lr_ratio = 0.1;
  double grad_clip = 1.0;
  StateDtype state_dtype = StateDtype::kFloat32;
  std::int64_t accumulation = 1;
  bool checkpoint_activations = false;
  bool use_amp = true;
  AmpDtype amp_dtype = AmpDtype::kBFloat16;
  DeviceChoice device = DeviceChoice::kAuto;
  std::int64_t threads = 0;
  std::int64_t seed = 0;
  std::vector<double> ema_half_life{0.02, 0.08};
  std::vector<double> ema_decay;
  double caption_dropout = 0.1;
  double mask_dropout = 0.1;
  double class_dropout = 0.1;
  double both_dropout = 0.05;
  std::string init_from;
  std::string distill_from;
  std::int64_t log_every = 10;
  std::int64_t validate_every = 0;
  double validate_every_minutes = 2.0;
  std::int64_t save_every = 0;
  double save_every_minutes = 5.0;
  std::int64_t sample_every = 0;
  double sample_every_minutes = 5.0;
  std::int64_t sample_count = 8;
  std::int64_t early_stop_patience = 0;
  std::int64_t keep_last = 3;

  /// Images per optimiser step.
  std::int64_t effective_batch_size() const { return batch_size * accumulation; }
  /// Moving averages of the weights that are kept.
  int averages() const { return static_cast<int>(ema_half_life.size() + ema_decay.size()); }
};

namespace internal {

template <class Visitor>
void describe_optimiser(Visitor& visit, TrainingOptions& o) {
  visit(Field{.name = "learning_rate", .help = "largest learning rate", .min = 1e-12, .max = 10},
        o.learning_rate);
  visit(Field{.name = "optimizer",
              .help = "adamw, or muon for the matrices inside the network (the rest stays adamw)"},
        o.optimizer);
  visit(Field{.name = "muon_learning_rate",
              .help = "largest learning rate of muon; it follows the same schedule",
              .min = 1e-12,
              .max = 10},
        o.muon_learning_rate);
  visit(Field{.name = "muon_momentum",
              .help = "muon's average of the gradient",
              .min = 0,
              .max = 0.9999},
        o.muon_momentum);
  visit(Field{.name = "beta1", .help = "AdamW's average of the gradient", .min = 0, .max = 0.9999},
        o.beta1);
  visit(Field{.name = "beta2", .help = "AdamW's average of its square", .min = 0, .max = 0.999999},
        o.beta2);
  visit(Field{.name = "eps", .help = "AdamW's epsilon", .min = 1e-15, .max = 1e-2}, o.eps);
  visit(Field{.name = "weight_decay", .help = "decoupled weight decay", .min = 0, .max = 10},
        o.weight_decay);
  visit(Field{.name = "warmup_steps", .help = "steps of linear warm-up", .min = 0, .max = 1e6},
        o.warmup_steps);
  visit(Field{.name = "schedule", .help = "learning rate after the warm-up"}, o.schedule);
  visit(Field{.name = "final_lr_ratio",
              .help = "last learning rate over the largest",
              .min = 0,
              .max = 1},
        o.final_lr_ratio);
  visit(Field{.name = "grad_clip",
              .help = "largest global norm of the gradient; 0 = off",
              .min = 0,
              .max = 1e6},
        o.grad_clip);
  visit(Field{.name = "state_dtype",
              .help = "of the optimiser's averages; bfloat16 halves them, rounded at random"},
        o.state_dtype);
  visit(Field{.name = "accumulation", .help = "batches per optimiser step", .min = 1, .max = 4096},
        o.accumulation);
  visit(
      Field{.name = "ema_half_life",
            .help =
                "half-lives of the averaged weights, shares of the run; the first is sampled from",
            .min = 1e-4,
            .max = 1},
      o.ema_half_life);
  visit(Field{.name = "ema_decay",
              .help = "further averages of fixed decay per step",
              .min = 0,
              .max = 0.9999999},
        o.ema_decay);
}

template <class Visitor>
void describe_precision(Visitor& visit, TrainingOptions& o) {
  visit(Field{.name = "checkpoint_activations",
              .help = "recompute activations in the backward pass: less memory, a third more time"},
        o.checkpoint_activations);
  visit(Field{.name = "use_amp", .help = "mixed precision; weights stay float32"}, o.use_amp);
  visit(Field{.name = "amp_dtype", .help = "precision of the products when use_amp is on"},
        o.amp_dtype);
  visit(Field{.name = "device", .help = "where to train; auto = the GPU when there is one"},
        o.device);
  visit(Field{.name = "threads", .help = "CPU threads; 0 = all cores", .min = 0, .max = 1024},
        o.threads);
  visit(Field{.name = "seed",
              .help = "of weights, order, noise and drops",
              .min = 0,
              .max = kLargestSeed},
        o.seed);
}

template <class Visitor>
void describe_drops(Visitor& visit, TrainingOptions& o) {
  visit(Field{.name = "caption_dropout",
              .help = "share of samples trained without caption",
              .min = 0,
              .max = 1},
        o.caption_dropout);
  visit(Field{.name = "mask_dropout", .help = "share trained without mask", .min = 0, .max = 1},
        o.mask_dropout);
  visit(Field{.name = "class_dropout",
              .help = "share trained without one of several mask classes",
              .min = 0,
              .max = 1},
        o.class_dropout);
  visit(Field{.name = "init_from",
              .help = "model or run whose weights, tokenizer and flow are started from; layers "
                      "for masks may be new; empty = drawn at random"},
        o.init_from);
  visit(Field{.name = "distill_from",
              .help = "model or run whose guided prediction (guidance.text, guidance.mask) is "
                      "learned in place of the images; empty = train on the images"},
        o.distill_from);
  visit(Field{.name = "both_dropout", .help = "share trained with neither", .min = 0, .max = 1},
        o.both_dropout);
}

template <class Visitor>
void describe_outputs(Visitor& visit, TrainingOptions& o) {
  visit(Field{.name = "log_every", .help = "steps between printed lines", .min = 1, .max = 1e6},
        o.log_every);
  visit(Field{.name = "validate_every",
              .help = "steps between validations; 0 = by the clock",
              .min = 0,
              .max = 1e9},
        o.validate_every);
  visit(Field{.name = "validate_every_minutes",
              .help = "minutes between validations; 0 = only at the end",
              .min = 0,
              .max = 1e5},
        o.validate_every_minutes);
  visit(Field{.name = "save_every",
              .help = "steps between checkpoints; 0 = by the clock",
              .min = 0,
              .max = 1e9},
        o.save_every);
  visit(Field{.name = "save_every_minutes",
              .help = "minutes between checkpoints; 0 = only at the end",
              .min = 0,
              .max = 1e5},
        o.save_every_minutes);
  visit(Field{.name = "sample_every",
              .help = "steps between sample grids; 0 = by the clock",
              .min = 0,
              .max = 1e9},
        o.sample_every);
  visit(Field{.name = "sample_every_minutes",
              .help = "minutes between sample grids; 0 = only at the end",
              .min = 0,
              .max = 1e5},
        o.sample_every_minutes);
  visit(Field{.name = "sample_count",
              .help = "pictures in a sample grid; 0 = none",
              .min = 0,
              .max = 64},
        o.sample_count);
  visit(Field{.name = "early_stop_patience",
              .help = "validations without gain before the run ends; 0 = never",
              .min = 0,
              .max = 1e6},
        o.early_stop_patience);
  visit(
      Field{
          .name = "keep_last", .help = "checkpoints kept besides the best", .min = 1, .max = 1000},
      o.keep_last);
}

}  // namespace internal

template <class Visitor>
void describe(Visitor& visit, TrainingOptions& o) {
  visit(
      Field{
          .name = "batch_size",
          .help =
              "images per batch; with accumulation, images per step are batch_size x accumulation",
          .min = 1,
          .max = 65536},
      o.batch_size);
  visit(
      Field{
          .name = "num_epochs", .help = "passes over the data; 0 = no limit", .min = 0, .max = 1e6},
      o.num_epochs);
  visit(Field{.name = "max_steps", .help = "optimiser steps; 0 = no limit", .min = 0, .max = 1e9},
        o.max_steps);
  visit(Field{.name = "max_minutes",
              .help = "wall-clock budget; 0 = no limit. The schedule then follows the clock",
              .min = 0,
              .max = 1e6},
        o.max_minutes);
  internal::describe_optimiser(visit, o);
  internal::describe_precision(visit, o);
  internal::describe_drops(visit, o);
  internal::describe_outputs(visit, o);
}

enum class SamplingPreset { kDefault, kOriginal, kLumina, kRetinaLogos };
template <>
struct EnumNames<SamplingPreset> {
  static constexpr std::pair<SamplingPreset, std::string_view> kNames[] = {
      {SamplingPreset::kDefault, "default"},
      {SamplingPreset::kOriginal, "original"},
      {SamplingPreset::kLumina, "lumina"},
      {SamplingPreset::kRetinaLogos, "retinalogos"}};
};

/// Shares the section `sampling` with SamplerOptions.
struct SamplingOptions {
  SamplingPreset preset = SamplingPreset::kDefault;
};

template <class Visitor>
void describe(Visitor& visit, SamplingOptions& o) {
  visit(Field{.name = "preset",
              .help = "fills what is not set here; original = euler, 50 steps, text guidance 7.5; "
                      "lumina, retinalogos = as those projects sample"},
        o.preset);
}

/// What `generate` makes when the command line does not say.
struct InferenceOptions {
  std::string checkpoint;
  std::string caption;
  std::string mask;
  std::int64_t image_size = 0;
  std::int64_t count = 1;
  std::int64_t seed = 42;
  DeviceChoice device = DeviceChoice::kAuto;
};

template <class Visitor>
void describe(Visitor& visit, InferenceOptions& o) {
  visit(Field{.name = "checkpoint", .help = "checkpoint folder or .safetensors file"},
        o.checkpoint);
  visit(Field{.name = "caption", .help = "text of the image"}, o.caption);
  visit(Field{.name = "mask", .help = "mask file; empty = none"}, o.mask);
  visit(Field{.name = "image_size", .help = "pixels; 0 = as trained", .min = 0, .max = 8192},
        o.image_size);
  visit(Field{.name = "count", .help = "images", .min = 1, .max = 1e6}, o.count);
  visit(Field{.name = "seed",
              .help = "of the first image; the next ones count up",
              .min = 0,
              .max = kLargestSeed},
        o.seed);
  visit(Field{.name = "device", .help = "where to run; auto = the GPU when there is one"},
        o.device);
}

struct OutputOptions {
  std::string folder;  ///< empty = runs/<name of the config>
};

template <class Visitor>
void describe(Visitor& visit, OutputOptions& o) {
  visit(
      Field{.name = "folder",
            .help = "run folder (or image folder of generate); empty = runs/<name of the config>"},
      o.folder);
}

}  // namespace medaug
