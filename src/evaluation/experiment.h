// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evaluation/classifier.h"
#include "evaluation/segmenter.h"

// Do synthetic images help a network that is trained on few real ones: the same training on several
// sets of images (arms), several times, and what the difference on the test split is worth.

namespace medaug {

enum class ExperimentTask { kSegmentation, kClassification };
template <>
struct EnumNames<ExperimentTask> {
  static constexpr std::pair<ExperimentTask, std::string_view> kNames[] = {
      {ExperimentTask::kSegmentation, "segmentation"},
      {ExperimentTask::kClassification, "classification"}};
};

/// What a network is trained on. All but kReal change the images while training (flips, turns,
/// brightness), as anyone would.
enum class ArmKind {
  kReal,           ///< the real images as they are
  kClassic,        ///< the real images with those changes
  kDuplicated,     ///< the same, repeated to as many as the largest mixture has
  kSynthetic,      ///< real and synthetic ones, one arm for each ratio
  kSyntheticOnly,  ///< no real image
  kPretrained      ///< half of the steps on the synthetic images, then the real ones
};
template <>
struct EnumNames<ArmKind> {
  static constexpr std::pair<ArmKind, std::string_view> kNames[] = {
      {ArmKind::kReal, "real"},
      {ArmKind::kClassic, "classic"},
      {ArmKind::kDuplicated, "duplicated"},
      {ArmKind::kSynthetic, "synthetic"},
      {ArmKind::kSyntheticOnly, "synthetic_only"},
      {ArmKind::kPretrained, "pretrained"}};
};

struct ExperimentOptions {
  ExperimentTask task = ExperimentTask::kSegmentation;
  std::vector<ArmKind> arms = {ArmKind::kReal,      ArmKind::kClassic,       ArmKind::kDuplicated,
                               ArmKind::kSynthetic, ArmKind::kSyntheticOnly, ArmKind::kPretrained};
  std::vector<double> ratios = {1.0, 3.0, 10.0};  ///< synthetic images for each real one, > 0
  /// Real images are repeated until they are this share of a mixture; 0 = each once. In [0, 1).
  double real_share = 0.5;
  std::int64_t seeds = 5;           ///< trainings of each arm, with seeds 0, 1, ...
  std::int64_t steps = 600;         ///< optimiser steps of each training
  std::int64_t labelled = 0;        ///< real images that are kept; 0 = all
  std::uint64_t labelled_seed = 0;  ///< which ones
  SegmenterOptions segmenter;       ///< seed and steps are the experiment's
  ClassifierOptions classifier;     ///< the same
};

/// All images of an experiment. For segmentation all of them have masks and the classes are 0.
struct ExperimentData {
  LabelledImages real, val, test;
  LabelledImages synthetic;                 ///< empty while only the real ones are being chosen
  std::optional<LabelledImages> generator;  ///< what the generator was trained on
  ClassList classes;                        ///< of a classifier
  PreprocessOptions preprocess;
  std::int64_t copies_left_out = 0;  ///< of real images, among the synthetic ones
};

struct ExperimentArm {
  std::string name;  ///< "classic", "synthetic_x3"
  ArmKind kind = ArmKind::kReal;
  LabelledImages train;
  std::optional<LabelledImages> before;  ///< of the first half of the steps
  std::int64_t real = 0, synthetic = 0;  ///< different images

  bool is_control() const { return kind < ArmKind::kSynthetic; }
  bool changes_images() const { return kind != ArmKind::kReal; }
};

/// One training and what its network said about the test images.
struct ExperimentRun {
  std::string key;  ///< SHA-256 of all that decides the outcome
  std::uint64_t seed = 0;
  double val_score = 0.0;  ///< by which the state was chosen: mean Dice or balanced accuracy
  double seconds = 0.0;
  bool reused = false;
  at::Tensor answers;  ///< (N, K) float64: Dice of each mask class (NaN where the mask has none),
                       ///< or the probabilities of the classes
};

struct ExperimentProgress {
  std::string_view arm;
  std::int64_t run = 0, runs = 0;  ///< counted over all arms, from 0
  std::int64_t step = 0, steps = 0;
};

/// @return `count` images, as evenly over the classes as it goes; the same seed gives the same ones
LabelledImages few_of(const LabelledImages& images, std::int64_t count, std::uint64_t seed);

/// No image and no group stands in two of: what anything is trained on (generator included),
/// validation, test. @throws Error kData naming the first leak
void refuse_experiment_leaks(const ExperimentData& data);

/// Ratios that ask for more synthetic images than there are take all, once.
/// @throws Error kUsage when no arm is left
std::vector<ExperimentArm> plan_arms(const ExperimentData& data, const ExperimentOptions& options);

/// Trains what `folder` does not hold yet: each finished training is a file there, and the next
/// call goes on behind the last one.
/// @return (arm, seed) runs  @param on_step  false = stop
/// @throws Error kStopped
std::vector<std::vector<ExperimentRun>> run_arms(
    const std::vector<ExperimentArm>& arms, const ExperimentData& data,
    const ExperimentOptions& options, const std::filesystem::path& folder,
    const std::function<bool(const ExperimentProgress&)>& on_step = {});

}  // namespace medaug
