// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/sampling_flags.h"
#include "cli/front/usage.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_augment(CLI::App& app, Globals& globals) {
  auto* const verb = app.add_subcommand(
      "augment", "make a data set of new images for the masks and captions of a manifest");
  const auto options = std::make_shared<AugmentCommand>();
  verb->add_option("--manifest", options->manifest, "the records to make images for")
      ->required()
      ->type_name("FILE");
  verb->add_option("--ratio", options->plan.ratio, "images per record on the average (1)")
      ->check(finite_range(0.0, 1000.0));
  verb->add_option("--per-image", options->plan.per_image, "images for each record")
      ->check(CLI::Range(1, 1000));
  verb->add_option("--count", options->plan.count, "images in all")
      ->check(CLI::Range(1, 10'000'000));
  verb->add_option("--balance", options->balance,
                   "label = fill rarer labels up to the most frequent one's count")
      ->check(CLI::IsMember({"label"}));
  verb->add_option("--mask-transform", options->mask_transform,
                   "new masks from the given ones; place, size and shape words of captions follow, "
                   "words of anatomy do not")
      ->check(CLI::IsMember(enum_choices<MaskTransform>()))
      ->capture_default_str();
  verb->add_option(
          "--originals", options->originals,
          "add the records' own images too: copy, or reference = hard links, no space taken")
      ->check(CLI::IsMember(enum_choices<Originals>()))
      ->capture_default_str();
  auto* const gate =
      verb->add_flag("--gate", options->gate,
                     "judge each image before it is written, by limits that real images set");
  verb->add_option("--reference", options->reference,
                   "real held-out images that set the gate's limits")
      ->needs(gate)
      ->type_name("PATH");
  verb->add_option("--training", options->training,
                   "what the generator was trained on, for the gate's rule about copies; default: "
                   "--manifest")
      ->needs(gate)
      ->type_name("PATH");
  verb->add_option("--segmenter", options->segmenter,
                   "the gate asks this segmenter whether the mask is obeyed")
      ->needs(gate)
      ->type_name("FILE");
  verb->add_option("--least-dice", options->least_dice,
                   "the gate's limit for that; default: one real image in five falls below it")
      ->needs(gate)
      ->check(CLI::Range(0.0, 1.0));
  verb->add_option("--retries", options->retries,
                   "further seeds for an image that the gate refuses, before it is given up")
      ->needs(gate)
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  verb->add_flag("--resume", options->resume,
                 "go on where a call with the same arguments stopped (done without asking, too)");
  add_sampling_options(*verb, options->sampling);
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
