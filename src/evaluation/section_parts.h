// SPDX-License-Identifier: MIT
#pragma once

#include "evaluation/sections.h"

// The larger parts of an evaluation as sections.

namespace medaug {

Section agreement_section(const Json& part);
Section distribution_section(const Json& part);

}  // namespace medaug
