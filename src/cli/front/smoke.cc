// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_smoke_test(CLI::App& app, Globals& globals) {
  auto* const verb = app.add_subcommand(
      "smoke-test",
      "the whole chain on made-up data in under a minute: train, resume, generate, augment");
  const auto options = std::make_shared<SmokeTestCommand>();
  verb->add_flag("--keep", options->keep, "leave the folder with everything that was made");
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
