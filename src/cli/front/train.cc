// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_train(CLI::App& app, Globals& globals) {
  auto* const verb =
      app.add_subcommand("train", "train a model on a manifest of images, captions and masks");
  const auto options = std::make_shared<TrainCommand>();
  verb->add_option("--config", options->config, "configuration (.yaml)")
      ->required()
      ->type_name("FILE");
  verb->add_option("--output", options->output, "run folder; default runs/<name of the config>")
      ->type_name("DIR");
  auto* const resume = verb->add_option("--resume", options->resume,
                                        "go on: a run folder, or latest = the one of the config");
  resume->expected(0, 1)->type_name("[RUN]");
  verb->add_option("--init", options->base,
                   "start from this model or run (training.init_from); with lora.rank train "
                   "adapters beside it")
      ->type_name("CHECKPOINT");
  verb->add_option(
          "--distill-guidance", options->teacher,
          "learn the guided prediction of this model or run (guidance.text, guidance.mask)")
      ->type_name("CHECKPOINT");
  verb->add_flag("--dry-run", options->dry_run, "estimate memory, disk and time, start nothing");
  verb->callback([&globals, options, resume] {
    options->resuming = resume->count() > 0;
    globals.command = *options;
  });
}

}  // namespace medaug::cli
