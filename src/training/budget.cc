// SPDX-License-Identifier: MIT
#include "training/budget.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "training/optimizer.h"

namespace medaug {

double budget_used(const TrainingOptions& o, std::int64_t step, std::int64_t data_size,
                   double elapsed_seconds) {
  double used = 0.0;
  if (o.max_steps > 0) {
    used = std::max(used, static_cast<double>(step) / static_cast<double>(o.max_steps));
  }
  if (o.num_epochs > 0) {
    const auto samples = static_cast<double>(o.num_epochs) * static_cast<double>(data_size);
    const double steps =
        std::max(1.0, std::ceil(samples / static_cast<double>(o.effective_batch_size())));
    used = std::max(used, static_cast<double>(step) / steps);
  }
  if (o.max_minutes > 0.0) {
    used = std::max(used, elapsed_seconds / (60.0 * o.max_minutes));
  }
  return std::min(1.0, used);
}

double learning_rate_at(const TrainingOptions& o, std::int64_t step, double used) {
  double factor = schedule_factor(o.schedule, used, o.final_lr_ratio);
  if (step < o.warmup_steps) {
    factor *= static_cast<double>(step + 1) / static_cast<double>(o.warmup_steps);
  }
  return o.learning_rate * factor;
}

std::vector<double> average_decays(const TrainingOptions& o, std::int64_t step) {
  std::vector<double> decays;
  for (const double share : o.ema_half_life) {
    decays.push_back(std::exp2(-1.0 / (share * static_cast<double>(step) + 1.0)));
  }
  for (const double decay : o.ema_decay) {
    // A fixed decay would remember the random start for long: shorter at first, as usual.
    decays.push_back(
        std::min(decay, (1.0 + static_cast<double>(step)) / (10.0 + static_cast<double>(step))));
  }
  return decays;
}

bool Cadence::due(std::int64_t step, double elapsed_seconds) {
  if (steps_ > 0) {
    return step % steps_ == 0;
  }
  if (seconds_ <= 0.0 || elapsed_seconds - last_ < seconds_) {
    return false;
  }
  last_ = elapsed_seconds;
  return true;
}

}  // namespace medaug
