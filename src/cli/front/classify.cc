// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/usage.h"
#include "cli/front/verbs.h"

namespace medaug::cli {
namespace {

void add_data(CLI::App& verb, ClassifyCommand& o) {
  const auto manifest = [&](const char* names, std::string& to, const char* help) {
    return verb.add_option(names, to, help)->type_name("FILE");
  };
  manifest("--original_data,--original-data", o.original, "manifest of the real training images")
      ->required();
  manifest("--augmented_data,--augmented-data", o.augmented,
           "manifest of images made from them: also train on both, and compare");
  manifest("--val_data,--val-data", o.val, "manifest of the images that choose the best epoch")
      ->required();
  manifest("--test_data,--test-data", o.test,
           "manifest of images that decide nothing: the score to report");
  manifest("--label_map,--label-map", o.label_map,
           "classes by words of the captions, {\"class\": [\"word\", ...], ...} (JSON); none = by "
           "the records' label");
  verb.add_flag("--skip_unlabelled,--skip-unlabelled", o.skip_unlabelled,
                "leave records out whose class is not clear");
  verb.add_option("--root", o.root, "folder that relative paths start from")->type_name("DIR");
  verb.add_flag("--allow_outside,--allow-outside", o.allow_outside,
                "allow absolute paths and '..' in the manifests");
  verb.add_option("--image_size,--image-size", o.image_size,
                  "side that all images are brought to, pixels (that of the first images, 128 at "
                  "most)")
      ->check(CLI::Range(8, 1024));
}

void add_training(CLI::App& verb, ClassifyCommand& o) {
  auto& c = o.classifier;
  verb.add_option("--network", o.network, "what is trained")
      ->check(CLI::IsMember(enum_choices<ClassifierNetwork>()))
      ->capture_default_str();
  verb.add_option("--weights", c.weights,
                  "first weights of efficientnet_lite0 or resnet50 (.safetensors); none = those "
                  "that the set-up fetched")
      ->type_name("FILE");
  verb.add_flag("--from_scratch,--from-scratch", c.from_scratch, "begin with random weights");
  verb.add_option("--input_side,--input-side", c.input_side,
                  "pixels that efficientnet_lite0 and resnet50 read (128 to 224 by the image size)")
      ->check(CLI::Range(16, 1024));
  verb.add_option("--epochs", c.epochs,
                  "passes over the original images; as many looks at the "
                  "validation images")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  verb.add_option("--steps", c.steps, "optimiser steps of each arm instead")
      ->check(CLI::Range(1, 10'000'000));
  verb.add_flag("--equal_epochs,--equal-epochs", o.equal_epochs,
                "equal epochs instead of equal steps: the arm with more images trains longer");
  verb.add_option("--batch_size,--batch-size", c.batch_size, "images of a step")
      ->check(CLI::Range(2, 4096))
      ->capture_default_str();
  verb.add_option("--learning_rate,--learning-rate", c.learning_rate,
                  "AdamW's peak (efficientnet_lite0 0.003, resnet50 0.001, small 0.01)")
      ->check(finite_range(1e-7, 1.0));
  verb.add_flag("--no_augment,--no-augment", o.no_augment,
                "no flips, turns, shifts or changes of brightness while training");
  verb.add_option("--seeds", o.seeds, "trainings of each arm")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb.add_option("--seed", c.seed, "the first of them")->capture_default_str();
}

}  // namespace

void add_classify(CLI::App& app, Globals& globals) {
  auto* const verb = app.add_subcommand(
      "classify", "does augmentation help a classifier: train with and without it, and compare");
  const auto options = std::make_shared<ClassifyCommand>();
  add_data(*verb, *options);
  add_training(*verb, *options);
  verb->add_option("--output", options->output, "report (.json)")
      ->type_name("FILE")
      ->capture_default_str();
  verb->add_option("--save", options->save,
                   "keep the best classifier (.safetensors), of both kinds of images when there "
                   "are augmented ones")
      ->type_name("FILE");
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
