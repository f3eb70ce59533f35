// SPDX-License-Identifier: MIT
#pragma once

#include <CLI/App.hpp>
#include <memory>

#include "base/error.h"
#include "cli/front/commands.h"

namespace medaug::cli {

/// The whole command line: every verb with its options.
std::unique_ptr<CLI::App> make_app(Globals& globals);

enum class Parsed {
  kCommand,  ///< globals.command is to be run
  kVersion,  ///< --version
  kDone,     ///< help or an error was printed: nothing is left to do
};

/// Parses; prints help and what is wrong. @param status  the exit status when it is kDone
Parsed parse_command_line(int argc, char** argv, Globals& globals, int& status);

/// On stderr, and on stdout as JSON with --json.
void print_error(const Globals& globals, const Error& error);

}  // namespace medaug::cli
