// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_segmenter_train(CLI::App& segmenter, Globals& globals) {
  auto* const verb = segmenter.add_subcommand(
      "train", "fit a U-Net to real images and their masks; the best on held-out images is kept");
  const auto options = std::make_shared<SegmenterTrainCommand>();
  auto& o = options->segmenter;
  auto* const config =
      verb->add_option("--config", options->config,
                       "a config of train: its manifests, size and mask classes are used");
  config->type_name("FILE");
  verb->add_option("--data", options->train, "manifest of the training images")->type_name("FILE");
  verb->add_option("--val", options->val, "manifest of the held-out images")->type_name("FILE");
  verb->add_option("--output", options->output, "where the segmenter is written")
      ->required()
      ->type_name("FILE.safetensors");
  verb->add_option("--size", options->size, "side of the images, pixels")
      ->check(CLI::Range(16, 1024));
  verb->add_option("--classes", options->classes, "mask classes, background not counted")
      ->check(CLI::Range(1, 254));
  verb->add_option("--class-names", options->class_names, "their names, separated by commas")
      ->delimiter(',');
  verb->add_option("--steps", o.steps, "optimiser steps")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  verb->add_option("--batch-size", o.batch_size, "images of a step")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  verb->add_option("--width", o.width, "channels of the first level")
      ->check(CLI::Range(4, 256))
      ->capture_default_str();
  verb->add_option("--learning-rate", o.learning_rate, "AdamW's peak")
      ->check(CLI::Range(1e-7, 1.0))
      ->capture_default_str();
  verb->add_option("--seed", o.seed, "the same seed gives the same segmenter")
      ->capture_default_str();
  verb->add_option("--root", options->root, "folder that relative paths start from")
      ->type_name("DIR");
  verb->add_flag("--allow-outside,--allow-absolute", options->allow_outside,
                 "allow absolute paths and '..'");
  when_parsed(*verb, globals, options);
}

void add_segmenter(CLI::App& app, Globals& globals) {
  auto* const segmenter =
      app.add_subcommand("segmenter", "the network that finds lesions, for evaluate");
  segmenter->require_subcommand(1);
  add_segmenter_train(*segmenter, globals);
}

}  // namespace medaug::cli
