// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "training/options.h"

namespace medaug {

/// Share of the run's budget that is used, in [0, 1]: the largest of steps, epochs and minutes, of
/// those that are set.
double budget_used(const TrainingOptions& options, std::int64_t step, std::int64_t data_size,
                   double elapsed_seconds);

/// Learning rate at a step: the schedule over the whole budget, times a linear
/// warm-up of so many steps.
double learning_rate_at(const TrainingOptions& options, std::int64_t step, double used);

/// Decay of the moving averages after `step` steps: half-lives that are shares of the run so far
/// (the power-function averages of EDM2, arXiv 2312.02696, section 3), then the fixed ones.
std::vector<double> average_decays(const TrainingOptions& options, std::int64_t step);

/// Fires every n steps, or every so many minutes when n is 0.
class Cadence {
 public:
  Cadence(std::int64_t steps, double minutes, double elapsed_seconds)
      : steps_(steps), seconds_(60.0 * minutes), last_(elapsed_seconds) {}
  bool due(std::int64_t step, double elapsed_seconds);

 private:
  std::int64_t steps_;
  double seconds_;
  double last_;
};

}  // namespace medaug
