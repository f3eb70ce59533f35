// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evaluation/classifier.h"
#include "evaluation/statistics.h"

// Does augmentation help a classifier: the same training with and without the augmented images,
// several times, and what the difference of the scores is worth.

namespace medaug {

struct DownstreamOptions {
  ClassifierOptions classifier;  ///< its seed is the first one
  std::int64_t seeds = 3;        ///< trainings of each arm, with seeds that follow each other
  /// Each arm runs so many epochs over its own images, instead of both the steps of the original.
  bool equal_epochs = false;
};

/// All images of a comparison.
struct DownstreamData {
  LabelledImages original, val;
  std::optional<LabelledImages> augmented, test;
  std::int64_t copies_left_out = 0;  ///< of original images, among the augmented ones
  ClassList classes;
  PreprocessOptions preprocess;
};

/// A classifier's answers about one split.
struct Answers {
  at::Tensor probabilities;  ///< (N, K) float32
  ClassificationScores scores;
};

/// One training and its scores.
struct ArmRun {
  std::uint64_t seed = 0;
  Classifier classifier;
  Answers val;
  std::optional<Answers> test;
  double seconds = 0.0;
};

/// The trainings on one set of images.
struct Arm {
  std::string name;  ///< its key in the report
  std::int64_t images = 0;
  std::vector<std::int64_t> class_counts;
  std::int64_t steps = 0;
  std::vector<ArmRun> runs;
};

/// Mean difference of a score between two arms, in points of a hundred.
struct ScoreDifference {
  double points = 0.0;
  Interval interval;  ///< 95 %

  /// "better", "worse" or "inside the noise"
  std::string_view verdict() const;
};

struct SplitDifference {
  ScoreDifference accuracy, balanced_accuracy;
};

enum class Split { kVal, kTest };

/// What happens between the trainings.
struct DownstreamProgress {
  std::string_view arm;
  std::int64_t run = 0, runs = 0;  ///< counted over both arms, from 0
  ClassifierProgress training;
};

/// The arm "original_only", and "original_plus_augmented" when there are augmented images.
/// @param on_step  false = stop
/// @throws Error kStopped when it was stopped; as train_classifier
std::vector<Arm> compare_arms(const DownstreamData& data, const DownstreamOptions& options,
                              const std::function<bool(const DownstreamProgress&)>& on_step = {});

const Answers& answers_of(const ArmRun& run, Split split);

/// `b` minus `a`, paired by image and seed. The interval is a percentile bootstrap (2,000
/// resamples) that draws images, or groups of images where a `group` is known, and seeds anew: the
/// same ones for both arms. With one seed it covers the choice of images alone.
/// @param images  of the split
SplitDifference difference(const Arm& a, const Arm& b, const LabelledImages& images, Split split);

}  // namespace medaug
