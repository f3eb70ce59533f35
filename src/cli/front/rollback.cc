// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_rollback(CLI::App& app, Globals& globals) {
  auto* const verb = app.add_subcommand(
      "rollback",
      "point a run's latest or best at an earlier verified checkpoint; deletes nothing");
  const auto options = std::make_shared<RollbackCommand>();
  verb->add_option("run", options->run, "run folder")->required()->type_name("RUN");
  verb->add_option("--pointer", options->pointer, "latest or best")
      ->check(CLI::IsMember({"latest", "best"}))
      ->capture_default_str();
  verb->add_option("--step", options->step, "the step to point at; without it, the one before")
      ->type_name("N");
  verb->add_flag("--list", options->list, "show the checkpoints there are and change nothing");
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
