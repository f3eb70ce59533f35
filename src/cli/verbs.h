// SPDX-License-Identifier: MIT
#pragma once

#include <CLI/App.hpp>

#include "cli/globals.h"

namespace medaug::cli {

// One function per verb, each in a file of its own. It adds a subcommand with its options and a
// callback that sets `globals.action`; nothing else happens while the command line is parsed. To
// add a verb, write such a file, declare the function here and call it in program.cc.

void add_augment(CLI::App& app, Globals& globals);
void add_check(CLI::App& app, Globals& globals);
void add_completion(CLI::App& app, Globals& globals);
void add_generate(CLI::App& app, Globals& globals);
void add_help(CLI::App& app, Globals& globals);
void add_phantom(CLI::App& app, Globals& globals);
void add_rollback(CLI::App& app, Globals& globals);
void add_smoke_test(CLI::App& app, Globals& globals);
void add_train(CLI::App& app, Globals& globals);

// The topics of `check`.

void add_check_checkpoint(CLI::App& check, Globals& globals);
void add_check_config(CLI::App& check, Globals& globals);
void add_check_data(CLI::App& check, Globals& globals);
void add_check_env(CLI::App& check, Globals& globals);
void add_check_paths(CLI::App& check, Globals& globals);

}  // namespace medaug::cli
