// SPDX-License-Identifier: MIT
#pragma once

#include <CLI/App.hpp>
#include <memory>

#include "cli/front/command_line.h"
#include "cli/front/commands.h"

namespace medaug::cli {

// One function per verb, each in a file of its own. It adds a subcommand with its options; nothing
// happens while the command line is parsed but that `globals.command` is filled.

/// Hands over the verb's options when it was the one that was called.
template <class Options>
void when_parsed(CLI::App& verb, Globals& globals, const std::shared_ptr<Options>& options) {
  verb.callback([&globals, options] { globals.command = *options; });
}

void add_augment(CLI::App& app, Globals& globals);
void add_check(CLI::App& app, Globals& globals);
void add_classify(CLI::App& app, Globals& globals);
void add_completion(CLI::App& app, Globals& globals);
void add_convert(CLI::App& app, Globals& globals);
void add_evaluate(CLI::App& app, Globals& globals);
void add_experiment(CLI::App& app, Globals& globals);
void add_generate(CLI::App& app, Globals& globals);
void add_help(CLI::App& app, Globals& globals);
void add_lora(CLI::App& app, Globals& globals);
void add_phantom(CLI::App& app, Globals& globals);
void add_rollback(CLI::App& app, Globals& globals);
void add_segmenter(CLI::App& app, Globals& globals);
void add_serve(CLI::App& app, Globals& globals);
void add_smoke_test(CLI::App& app, Globals& globals);
void add_train(CLI::App& app, Globals& globals);

// The topics of `check`.

void add_check_checkpoint(CLI::App& check, Globals& globals);
void add_check_config(CLI::App& check, Globals& globals);
void add_check_data(CLI::App& check, Globals& globals);
void add_check_env(CLI::App& check, Globals& globals);
void add_check_paths(CLI::App& check, Globals& globals);

}  // namespace medaug::cli
