// SPDX-License-Identifier: MIT
#pragma once

#include <CLI/App.hpp>
#include <memory>

#include "cli/globals.h"

namespace medaug::cli {

/// The whole command line: every verb with its options.
std::unique_ptr<CLI::App> make_app(Globals& globals);

/// Parses and runs. Never throws: this is the program's exception border.
/// @return the exit status (base/error.h)
int run_program(int argc, char** argv);

}  // namespace medaug::cli
