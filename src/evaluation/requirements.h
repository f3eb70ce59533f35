// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"

// Figures that a set of images has to reach, for scripts: `medaug evaluate --require`.

namespace medaug {

/// "agreement.over_ceiling>=0.95": a figure of the evaluation, by the keys that lead to it, and its
/// bound.
struct Requirement {
  std::string text;  ///< as it was given
  std::string key;   ///< keys with dots between them; elements of a list by their "name" or number
  bool at_least = true;
  double bound = 0.0;
};

/// @param text  KEY>=NUMBER or KEY<=NUMBER  @throws Error kUsage
Requirement parse_requirement(std::string_view text);

/// The figure that a key leads to: the mean of a summary, the value of {"value", "se"}; null when
/// the number does not exist.
/// @throws Error kUsage when nothing stands there, with the keys that do
Json figure_at(const Json& evaluation, std::string_view key);

/// What is not reached, "copies.share<=0.01 (it is 0.020)"; a number that does not exist reaches
/// nothing. @throws Error kUsage as figure_at
std::vector<std::string> missed_requirements(const Json& evaluation,
                                             const std::vector<Requirement>& requirements);

}  // namespace medaug
