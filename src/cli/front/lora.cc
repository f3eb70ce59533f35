// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/usage.h"
#include "cli/front/verbs.h"

namespace medaug::cli {
namespace {

void add_merge(CLI::App& lora, Globals& globals) {
  auto* const verb =
      lora.add_subcommand("merge", "multiply adapters out into the model they were trained on");
  const auto options = std::make_shared<LoraMergeCommand>();
  verb->add_option("base", options->base, "model file or run")->required()->type_name("BASE");
  verb->add_option("adapters", options->adapters, "adapter files or runs, laid one upon the other")
      ->required()
      ->type_name("ADAPTER");
  verb->add_option("--output", options->output, "new model file (.safetensors)")
      ->required()
      ->type_name("FILE");
  verb->add_option("--scale", options->scales,
                   "strength of each adapter in their order, or one for all (1); repeatable")
      ->check(finite_range(-100.0, 100.0))
      ->type_name("S")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  when_parsed(*verb, globals, options);
}

}  // namespace

void add_lora(CLI::App& app, Globals& globals) {
  auto* const lora = app.add_subcommand("lora", "work with low-rank adapters");
  lora->require_subcommand(1);
  add_merge(*lora, globals);
}

}  // namespace medaug::cli
