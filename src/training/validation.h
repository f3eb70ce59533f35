// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "base/json.h"
#include "data/loader.h"
#include "models/generator.h"
#include "training/conditions.h"
#include "training/flow_step.h"
#include "training/optimizer.h"

namespace medaug {

struct ValidationResult {
  double loss = 0.0;  ///< mean v-loss over the times of training
  std::array<double, 5>
      by_time{};  ///< mean over samples with time in [k/5, (k+1)/5); NaN when there is none
};

/// v-loss on held-out data at fixed times and noise: each sample has its own, spread evenly over
/// the training distribution, so two calls differ only by the weights.
ValidationResult validate_model(const Generator& model, const Dataset& data,
                                CaptionEncoder& captions, const FlowObjective& objective,
                                std::int64_t batch_size, std::int64_t most_samples = 512);

struct BestAverage {
  int average = -1;                             ///< its number; -1 = the weights themselves
  std::optional<ValidationResult> result = {};  ///< its own; absent when nothing is held out
  Json log = Json::object();                    ///< loss and by_time of each
};

/// Validates every moving average of the weights, or the weights where there are none, and leaves
/// the weights in use.
BestAverage validate_averages(AdamW& optimizer, int averages,
                              const std::function<ValidationResult()>& validate);

/// The indices in groups of one picture size.
std::vector<std::vector<std::int64_t>> of_one_size(const Dataset& data,
                                                   const std::vector<std::int64_t>& indices);

/// Samples of a data set, all of one size, as a batch, unaugmented, in the given order.
Batch batch_of(const Dataset& data, const std::vector<std::int64_t>& indices);

}  // namespace medaug
