// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "evaluation/experiment.h"

namespace medaug {

/// Scores of one network on chosen test images, in the order in which they are told; the first one
/// is the one that decides. Segmentation: `dice` (mean over images and classes that a mask has),
/// and of each class when there are several. Classification: `balanced_accuracy`, `auroc_macro`,
/// `f1_macro`, `accuracy`. NaN where it is not defined.
/// @param answers  of a run  @param truth  class of each image  @param images  places, repeats
/// allowed
std::vector<std::pair<std::string, double>> experiment_scores(
    ExperimentTask task, const at::Tensor& answers, const std::vector<std::int64_t>& truth,
    const std::vector<std::int64_t>& images, const std::vector<std::string>& mask_classes);

/// "medaug-experiment-1": each arm with its scores (mean over the seeds; 95 % percentile bootstrap
/// interval that draws test images, or groups of them, and seeds anew, 2,000 times, the same draws
/// for all arms), the paired differences to the best control, and the verdict. The control is the
/// one that does best on test, the arm with synthetic images the one that does best on validation:
/// both choices are against the synthetic images.
Json experiment_json(const ExperimentData& data, const ExperimentOptions& options,
                     const std::vector<ExperimentArm>& arms,
                     const std::vector<std::vector<ExperimentRun>>& runs);

/// The same as a table.
std::string experiment_text(const Json& report);

}  // namespace medaug
