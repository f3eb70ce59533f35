// SPDX-License-Identifier: MIT
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_check(CLI::App& app, Globals& globals) {
  auto* const check = app.add_subcommand(
      "check", "look at environment, config, paths, data or checkpoint; changes nothing");
  check->require_subcommand(1);
  add_check_env(*check, globals);
  add_check_config(*check, globals);
  add_check_paths(*check, globals);
  add_check_data(*check, globals);
  add_check_checkpoint(*check, globals);
}

}  // namespace medaug::cli
