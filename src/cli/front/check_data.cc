// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_check_data(CLI::App& check, Globals& globals) {
  auto* const verb = check.add_subcommand(
      "data",
      "read every image and mask of manifests; list bad lines, statistics, duplicates and leaks");
  const auto options = std::make_shared<CheckDataCommand>();
  verb->add_option("manifests", options->manifests, "manifests (.jsonl), or folders that have one")
      ->type_name("MANIFEST");
  verb->add_option("--config", options->config,
                   "check the manifests of a config, with its mask classes")
      ->type_name("FILE");
  verb->add_option("--root", options->root, "folder that relative paths start from")
      ->type_name("DIR");
  verb->add_flag("--allow-outside,--allow-absolute", options->allow_outside,
                 "allow absolute paths and '..'");
  verb->add_option("--threads", options->threads, "reading threads")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
