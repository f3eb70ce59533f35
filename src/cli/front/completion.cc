// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_completion(CLI::App& app, Globals& globals) {
  auto* const verb =
      app.add_subcommand("completion", "print a completion script for bash, zsh or fish");
  const auto options = std::make_shared<CompletionCommand>();
  verb->add_option("shell", options->shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
