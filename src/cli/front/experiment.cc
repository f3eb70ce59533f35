// SPDX-License-Identifier: MIT
#include <memory>
#include <string>

#include "cli/front/commands.h"
#include "cli/front/usage.h"
#include "cli/front/verbs.h"

namespace medaug::cli {
namespace {

void add_data(CLI::App& verb, ExperimentCommand& o) {
  const auto manifest = [&](const char* name, std::string& to, const char* help) {
    return verb.add_option(name, to, help)->type_name("FILE");
  };
  manifest("--real", o.real, "manifest of the real training images")->required();
  manifest("--synthetic", o.synthetic,
           "manifest that 'medaug augment' or 'generate' wrote; only --plan goes without");
  manifest("--val", o.val, "manifest of the images that choose the state of each training")
      ->required();
  manifest("--test", o.test, "manifest of the images that are scored")->required();
  verb.add_option("--generator-training", o.generator,
                  "manifest that the generator was trained on: checked against --val and --test")
      ->type_name("FILE");
  verb.add_option("--output", o.output, "folder of the report and of the finished trainings")
      ->required()
      ->type_name("DIR");
  verb.add_option("--report", o.report, "page that shows the arms")->type_name("FILE.html");
  verb.add_option("--root", o.root, "folder that relative paths start from")->type_name("DIR");
  verb.add_flag("--allow-outside,--allow-absolute", o.allow_outside,
                "allow absolute paths and '..'");
  verb.add_option("--size", o.image_size, "side of the images, pixels")
      ->check(CLI::Range(8, 1024))
      ->capture_default_str();
}

void add_design(CLI::App& verb, ExperimentCommand& o) {
  verb.add_option("--labelled", o.labelled, "keep so many real images (0 = all)")
      ->check(CLI::Range(0, 10'000'000))
      ->capture_default_str();
  verb.add_option("--labelled-seed", o.labelled_seed, "which ones")->capture_default_str();
  verb.add_option("--arms", o.arms,
                  "what to compare, separated by commas: real, classic, duplicated, synthetic, "
                  "synthetic_only, pretrained (all)")
      ->delimiter(',')
      ->check(CLI::IsMember(
          {"real", "classic", "duplicated", "synthetic", "synthetic_only", "pretrained"}));
  verb.add_option("--ratios", o.ratios, "synthetic images for each real one (1,3,10)")
      ->delimiter(',')
      ->check(finite_range(0.001, 1e6));
  verb.add_option("--real-share", o.real_share,
                  "real images are repeated until they are this share of a mixture")
      ->check(finite_range(0.0, 0.99))
      ->capture_default_str();
  verb.add_option("--seeds", o.seeds, "trainings of each arm")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb.add_option("--steps", o.steps, "optimiser steps of every training")
      ->check(CLI::Range(2, 10'000'000))
      ->capture_default_str();
  verb.add_flag("--plan", o.plan,
                "check everything, write the manifest of the kept images, train nothing");
}

void add_segmentation(CLI::App& experiment, Globals& globals) {
  auto* const verb = experiment.add_subcommand("segmentation", "mean Dice of a U-Net");
  const auto options = std::make_shared<ExperimentCommand>();
  options->task = "segmentation";
  add_data(*verb, *options);
  add_design(*verb, *options);
  verb->add_option("--classes", options->mask_classes, "mask classes, background not counted")
      ->check(CLI::Range(1, 254))
      ->capture_default_str();
  verb->add_option("--class-names", options->class_names, "their names, separated by commas")
      ->delimiter(',');
  when_parsed(*verb, globals, options);
}

void add_classification(CLI::App& experiment, Globals& globals) {
  auto* const verb = experiment.add_subcommand("classification",
                                               "balanced accuracy, AUROC and F1 of a classifier");
  const auto options = std::make_shared<ExperimentCommand>();
  options->task = "classification";
  add_data(*verb, *options);
  add_design(*verb, *options);
  verb->add_option("--network", options->network, "what is trained")
      ->check(CLI::IsMember(enum_choices<ClassifierNetwork>()))
      ->capture_default_str();
  verb->add_option("--label-map", options->label_map,
                   "classes by words of the captions, {\"class\": [\"word\", ...], ...} (JSON); "
                   "none = by the records' label")
      ->type_name("FILE");
  when_parsed(*verb, globals, options);
}

}  // namespace

void add_experiment(CLI::App& app, Globals& globals) {
  auto* const experiment = app.add_subcommand(
      "experiment",
      "do synthetic images help: several arms, equal steps, several seeds, scored on test");
  experiment->require_subcommand(1);
  add_segmentation(*experiment, globals);
  add_classification(*experiment, globals);
}

}  // namespace medaug::cli
