// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/copies.h"
#include "evaluation/extractor.h"
#include "evaluation/items.h"
#include "evaluation/segmenter.h"
#include "evaluation/table.h"
#include "inference/batch_maker.h"

namespace medaug {

/// How strict the gate is. All limits are quantiles of what real held-out images do, so that the
/// gate refuses what would be rare among them.
struct GateOptions {
  std::optional<double> least_dice = {};  ///< none = `dice_quantile` of real images
  double dice_quantile = 0.2;
  double intensity_quantile = 0.005;  ///< at either end, of mean and of deviation
  double distance_quantile = 0.99;    ///< of the distance to the nearest training image
};

/// What the gate is made from.
struct GateSources {
  std::shared_ptr<const Segmenter> segmenter;  ///< null = no rule about masks
  std::shared_ptr<FeatureExtractor> space;     ///< where distances are taken
  const Source* training = nullptr;            ///< what the generator was trained on
  const Source* held_out = nullptr;            ///< real images that it was not trained on
  PreprocessOptions preprocess;                ///< size, channels and classes of what is judged
};

/// Refuses generated images by these rules, in this order; the first that applies is named:
///  - "mask agreement": the segmenter's Dice against the mask that was asked for is below the limit
///  - "intensity": mean or deviation of the grey levels lies outside of those of real images
///  - "outlier": farther from the nearest training image than real held-out images are
///  - "copy": more like a training image than real held-out images are (CopyDetector)
class QualityGate : public ImageGate {
 public:
  /// Looks at the real images and sets the limits.
  /// @throws Error kData when the segmenter knows other classes than the generator; as CopyDetector
  QualityGate(GateSources sources, const GateOptions& options, const OnProgress& on_progress = {});

  std::vector<std::string> judge(std::vector<MadeImage>& images) override;

  /// Limits and what they were made from: goes into plan.json and the funnel.
  const Json& plan() const { return plan_; }

 private:
  struct Limits {
    double dice = 0.0;
    double mean_low = -1.0, mean_high = 1.0;
    double deviation_low = 0.0, deviation_high = 1.0;
    double distance = 0.0;
  };

  at::Tensor dice_of(const std::vector<MadeImage>& images) const;
  /// Puts the rule "copy" where no other one applies yet.
  void refuse_copies(std::vector<MadeImage>& images, std::vector<std::string>& rules) const;

  GateSources sources_;
  at::Tensor training_features_;  ///< (N, D)
  std::unique_ptr<const CopyDetector> copies_;
  Limits limits_;
  Json plan_;
};

}  // namespace medaug
