// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"
#include "evaluation/texts.h"

namespace medaug::cli {

void add_evaluate(CLI::App& app, Globals& globals) {
  auto* const verb = app.add_subcommand(
      "evaluate",
      "image quality, agreement with the masks, distance of the sets, copies; with a report");
  const auto options = std::make_shared<EvaluateCommand>();
  auto& o = options->evaluate;
  verb->add_option("--generated", o.generated, "generated images: a folder or a manifest")
      ->required()
      ->type_name("PATH");
  verb->add_option("--reference", o.reference,
                   "real images, of people that the generator has not seen: a folder or a manifest")
      ->type_name("PATH");
  verb->add_option("--masks", o.masks,
                   "masks that the images were asked for; default: those of the manifests")
      ->type_name("PATH");
  verb->add_option("--training", o.training, "real images that the generator was trained on")
      ->type_name("PATH");
  verb->add_option("--split", o.split, "which manifest of the folder --reference")
      ->capture_default_str();
  verb->add_flag("--unpaired", o.unpaired, "the reference is a set: compare no image with another");
  verb->add_flag("--resize-reference", o.resize_reference,
                 "bring references to the size of the generated images; else such pairs are left "
                 "out");
  verb->add_flag("--evaluate-structure", o.structure,
                 "masks against what a colour rule takes for the lesion (a heuristic)");
  verb->add_option("--structure-method", options->rule, "the colour rule")
      ->check(CLI::IsMember(enum_choices<ColourRule>()))
      ->capture_default_str();
  verb->add_option("--segmenter", o.segmenter,
                   "masks against what this segmenter finds (medaug segmenter train)")
      ->type_name("FILE");
  verb->add_flag("--distribution", o.distribution,
                 "FID, KID, precision, recall, density, coverage and appearance of the sets");
  verb->add_flag(
      "--audit-copies", o.copies,
      "look for copies of --training images; --reference says how alike real images are");
  verb->add_option(
          "--fit", options->fit,
          "how pictures of another shape are fitted for --distribution and --audit-copies: "
          "as the generator's data.fit")
      ->check(CLI::IsMember(enum_choices<Fit>()))
      ->capture_default_str();
  verb->add_option("--efficientnet", o.efficientnet,
                   "EfficientNet-Lite0 weights (.safetensors); default: those that the set-up "
                   "fetched")
      ->type_name("FILE");
  verb->add_option("--resnet50", o.resnet50,
                   "compare the sets in the features of these ResNet-50 weights too (torchvision's "
                   "layout: ImageNet, RadImageNet)")
      ->type_name("FILE");
  verb->add_option("--patch", o.patch, "pixels of a patch of the model: where seams would be")
      ->check(CLI::Range(2, 1024))
      ->capture_default_str();
  verb->add_option("--seed", o.seed, "of all resampling")->capture_default_str();
  verb->add_option("--output", options->output, "everything that was found, each image too")
      ->type_name("FILE.json");
  verb->add_option("--report", options->report,
                   "the same as one page to look at: tables, charts, best and worst images")
      ->type_name("FILE.html");
  verb->add_option("--csv", options->csv, "the values of each image")->type_name("FILE.csv");
  verb->add_option("--summary-csv", options->summary_csv, "everything but those")
      ->type_name("FILE.csv");
  verb->add_option(
          "--require", options->require,
          "end with status 8 unless this figure is reached: 'agreement.over_ceiling>=0.95', "
          "'copies.share<=0.01'; repeatable")
      ->type_name("KEY>=NUMBER")
      ->allow_extra_args(false);
  verb->add_option("--lang", options->language, "of the console and of the report at first")
      ->check(CLI::IsMember(enum_choices<Language>()))
      ->capture_default_str();
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
