// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fields.h"
#include "data/preprocess.h"
#include "evaluation/classification_scores.h"
#include "evaluation/classifier_network.h"
#include "evaluation/classifier_options.h"
#include "evaluation/labelled_images.h"

namespace medaug {

/// What a classifier's file says about it.
struct ClassifierInfo {
  ClassifierNetwork network = ClassifierNetwork::kEfficientNetLite0;
  std::int64_t input_side = 64;
  std::vector<std::string> classes;
  PreprocessOptions preprocess;
  Json training = Json::object();  ///< options, first weights, numbers of images, hashes, scores
};

/// Says which of several classes an image belongs to.
class Classifier {
 public:
  Classifier(ClassifierInfo info, std::shared_ptr<ImageNetwork> network);
  /// @throws Error kCheckpoint for a file that is no classifier
  static Classifier load(const std::filesystem::path& path);
  /// Safetensors with the format "medaug-classifier-1".
  void save(const std::filesystem::path& path) const;

  /// @param images (N, C, H, W) in [-1, 1], as `preprocess_image` makes them with the classifier's
  /// own options
  /// @return (N, K) float32, rows sum to 1
  at::Tensor probabilities(const at::Tensor& images) const;
  /// What the last layer decides by: a feature space of this kind of image. (N, D)
  at::Tensor features(const at::Tensor& images) const;
  /// The same for all images of a data set, read with the classifier's options.
  at::Tensor probabilities(const Dataset& data) const;

  const ClassifierInfo& info() const { return info_; }
  const ImageNetwork& network() const { return *network_; }
  std::string hash() const { return hash_; }  ///< SHA-256 of the file; empty before it is saved

 private:
  ClassifierInfo info_;
  std::shared_ptr<ImageNetwork> network_;
  std::string hash_;
};

/// Scores of a classifier's probabilities (N, K).
ClassificationScores scores_of(const at::Tensor& probabilities,
                               const std::vector<std::int64_t>& classes);

struct ClassifierProgress {
  std::int64_t step = 0;
  std::int64_t steps = 0;
  double loss = 0.0;
  double accuracy = 0.0;           ///< latest on the validation images, in [0, 1]
  double balanced_accuracy = 0.0;  ///< the same
};

/// What the training images are and what the classes are called.
struct ClassifierTask {
  LabelledImages train, val;
  std::vector<std::string> classes;
  PreprocessOptions preprocess;  ///< as the images were read
};

/// Cross-entropy with AdamW and a cosine schedule; batch norm part by part (PartGradients). The
/// state with the best balanced accuracy on `val` is kept: one look each epoch, the first of
/// equals. The same seed gives the same classifier.
/// @param on_step  false = stop and keep the best so far
/// @param start    a classifier of the same layout to begin with; none = as the options say
/// @throws Error kNumeric when the loss is not finite, kCheckpoint for weights of another network
Classifier train_classifier(const ClassifierTask& task, const ClassifierOptions& options,
                            const std::function<bool(const ClassifierProgress&)>& on_step = {},
                            const Classifier* start = nullptr);

/// Optimiser steps of so many epochs over so many images.
std::int64_t classifier_steps(const ClassifierOptions& options, std::int64_t images);

/// The weights that training begins with; none = from scratch. @throws Error kUsage when weights
/// are named for the small network, kCheckpoint when a named file is missing
std::optional<std::filesystem::path> first_weights(const ClassifierOptions& options);

/// Pixels that the network reads when `input_side` is 0. @param image_side  shorter side of the
/// images
std::int64_t classifier_side(const ClassifierOptions& options, std::int64_t image_side);

}  // namespace medaug
