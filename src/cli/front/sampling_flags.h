// SPDX-License-Identifier: MIT
#pragma once

#include <CLI/App.hpp>

#include "cli/front/commands.h"

namespace medaug::cli {

void add_sampling_options(CLI::App& verb, SamplingFlags& flags);

}  // namespace medaug::cli
