// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_check_env(CLI::App& check, Globals& globals) {
  auto* const verb =
      check.add_subcommand("env", "versions, CPU, GPU, memory and disk, with suggestions");
  when_parsed(*verb, globals, std::make_shared<CheckEnvCommand>());
}

}  // namespace medaug::cli
