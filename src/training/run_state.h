// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "base/fields.h"

namespace medaug {

/// How far a run is. Everything else of its state is in the optimiser's tensors; random numbers
/// have none.
struct RunState {
  std::int64_t step = 0;
  std::int64_t draws = 0;        ///< samples taken from the loader
  double elapsed_seconds = 0.0;  ///< of training, earlier sessions included
  double best_loss = 0.0;        ///< validation; meaningful when best_step >= 0
  std::int64_t best_step = -1;
  std::int64_t average = 0;      ///< the moving average that inference files are made of; -1 = none
  double validation_loss = 0.0;  ///< the last one
  std::int64_t validated_step = -1;
  std::int64_t validations_without_gain = 0;
  std::int64_t skipped_steps = 0;  ///< non-finite loss or gradient
  double lr_factor = 1.0;          ///< halved by each way back after non-finite steps
  std::int64_t ways_back = 0;
};

template <class Visitor>
void describe(Visitor& visit, RunState& o) {
  visit(Field{.name = "step"}, o.step);
  visit(Field{.name = "draws"}, o.draws);
  visit(Field{.name = "elapsed_seconds"}, o.elapsed_seconds);
  visit(Field{.name = "best_loss"}, o.best_loss);
  visit(Field{.name = "best_step"}, o.best_step);
  visit(Field{.name = "average"}, o.average);
  visit(Field{.name = "validation_loss"}, o.validation_loss);
  visit(Field{.name = "validated_step"}, o.validated_step);
  visit(Field{.name = "validations_without_gain"}, o.validations_without_gain);
  visit(Field{.name = "skipped_steps"}, o.skipped_steps);
  visit(Field{.name = "lr_factor"}, o.lr_factor);
  visit(Field{.name = "ways_back"}, o.ways_back);
}

}  // namespace medaug
