// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "evaluation/downstream.h"

namespace medaug {

/// The comparison as the original project's `downstream_evaluation.json` has it
/// (`original_only.best_val_acc`, `original_plus_augmented.best_val_acc`, `improvement_percent`:
/// the difference in percentage points), with everything else beside it.
/// @param arms  one or two, from compare_arms
Json downstream_json(const DownstreamData& data, const DownstreamOptions& options,
                     const std::vector<Arm>& arms);

/// The same as a table, with the difference and its verdict.
std::string downstream_text(const Json& report);

}  // namespace medaug
