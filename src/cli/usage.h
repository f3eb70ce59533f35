// SPDX-License-Identifier: MIT
#pragma once

#include <CLI/App.hpp>

#include "base/error.h"

namespace medaug::cli {

/// A wrong command line as our error: what was not understood, the nearest verb or option, and
/// where help is.
Error usage_error(const CLI::App& app, const CLI::ParseError& cause);

}  // namespace medaug::cli
