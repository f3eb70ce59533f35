// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_check_config(CLI::App& check, Globals& globals) {
  auto* const verb = check.add_subcommand("config", "read a config and say what it would do");
  const auto options = std::make_shared<CheckConfigCommand>();
  verb->add_option("file,--config", options->file, "config file")->required()->type_name("FILE");
  verb->add_flag("--print", options->print, "print the effective config with every key");
  verb->add_flag("--memory-table", options->memory_table,
                 "print what of this model can be trained on cards of 24, 40, 80 and 141 GB");
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
