// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_help(CLI::App& app, Globals& globals) {
  auto* const verb =
      app.add_subcommand("help", "explain the config keys, the command line or the exit codes");
  const auto options = std::make_shared<HelpCommand>();
  verb->add_option("topic", options->topic, "config, cli or errors")
      ->check(CLI::IsMember({"config", "cli", "errors"}))
      ->capture_default_str();
  verb->add_option("key", options->key, "a config key or section, for example training.batch_size");
  verb->add_flag("--markdown", options->markdown, "config: the reference page");
  verb->add_flag("--schema", options->schema, "config: JSON Schema for editors");
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
