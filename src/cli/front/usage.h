// SPDX-License-Identifier: MIT
#pragma once

#include <CLI/App.hpp>
#include <CLI/Validators.hpp>

#include "base/error.h"

namespace medaug::cli {

/// A wrong command line as our error: what was not understood, the nearest verb or option, and
/// where help is.
Error usage_error(const CLI::App& app, const CLI::ParseError& cause);

/// CLI::Range lets NaN through: every comparison with it is false.
CLI::Validator finite_range(double low, double high);

}  // namespace medaug::cli
