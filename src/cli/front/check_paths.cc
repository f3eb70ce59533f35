// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_check_paths(CLI::App& check, Globals& globals) {
  auto* const verb =
      check.add_subcommand("paths", "whether every file that a config names is there");
  const auto options = std::make_shared<CheckPathsCommand>();
  verb->add_option("file,--config", options->file, "config file")
      ->type_name("FILE")
      ->capture_default_str();
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
