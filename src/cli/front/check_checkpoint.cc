// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_check_checkpoint(CLI::App& check, Globals& globals) {
  auto* const verb = check.add_subcommand(
      "checkpoint", "hashes, tensors and finite weights of a checkpoint or a whole run");
  const auto options = std::make_shared<CheckCheckpointCommand>();
  verb->add_option(
          "path", options->path,
          "run folder, step folder or .safetensors file; or published weights: a backbone, an "
          "autoencoder, a text encoder")
      ->required()
      ->type_name("PATH");
  verb->add_flag("--values", options->values,
                 "of published weights (docs/LINEAGE.md): read all numbers, not only the headers");
  verb->add_option("--images", options->images,
                   "of an autoencoder, or a model with one: a folder or manifest of pictures to "
                   "encode and decode")
      ->type_name("PATH");
  verb->add_option("--image-size", options->image_size, "their side, pixels")
      ->check(CLI::Range(16, 8192))
      ->capture_default_str();
  verb->add_option("--count", options->count, "how many of them, spread over the set")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
