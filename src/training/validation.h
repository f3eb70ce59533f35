// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <vector>

#include "data/loader.h"
#include "models/generator.h"
#include "training/conditions.h"
#include "training/flow_step.h"

namespace medaug {

struct ValidationResult {
  double loss = 0.0;  ///< mean v-loss over the times of training
  std::array<double, 5>
      by_time{};  ///< mean over samples with time in [k/5, (k+1)/5); NaN when there is none
};

/// v-loss on held-out data at fixed times and noise: each sample has its own, spread evenly over
/// the training distribution, so two calls differ only by the weights.
ValidationResult validate_model(const Generator& model, const Dataset& data,
                                CaptionEncoder& captions, const FlowOptions& flow,
                                std::int64_t batch_size, std::int64_t most_samples = 512);

/// Samples of a data set as a batch, unaugmented, in the given order.
Batch batch_of(const Dataset& data, const std::vector<std::int64_t>& indices);

}  // namespace medaug
