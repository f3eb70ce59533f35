// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_check_checkpoint(CLI::App& check, Globals& globals) {
  auto* const verb = check.add_subcommand(
      "checkpoint", "hashes, tensors and finite weights of a checkpoint or a whole run");
  const auto options = std::make_shared<CheckCheckpointCommand>();
  verb->add_option("path", options->path,
                   "run folder, step folder or .safetensors file; or published weights")
      ->required()
      ->type_name("PATH");
  verb->add_flag("--values", options->values,
                 "of published weights (docs/LINEAGE.md): read all numbers, not only the headers");
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
