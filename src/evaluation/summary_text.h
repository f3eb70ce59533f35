// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/fields.h"
#include "evaluation/texts.h"

namespace medaug {

/// An evaluation as the console shows it: every part with mean ± standard deviation, range, 95 %
/// interval and band, tables beside their ceiling, null and floor, what was skipped and why.
/// @param evaluation  as `evaluate` returns it
std::string summary_text(const Json& evaluation, Language language);

}  // namespace medaug
