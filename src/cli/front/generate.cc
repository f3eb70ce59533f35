// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/sampling_flags.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_generate(CLI::App& app, Globals& globals) {
  auto* const verb =
      app.add_subcommand("generate", "make images from captions and masks with a checkpoint");
  const auto options = std::make_shared<GenerateCommand>();
  auto* const manifest = verb->add_option(
      "--manifest", options->manifest, "one image (or --count) for each record's caption and mask");
  manifest->type_name("FILE");
  verb->add_option("--caption", options->caption, "text of the image")->excludes(manifest);
  // Not by excludes(): an option that excludes two is printed with them in the order of addresses.
  auto* const mask =
      verb->add_option("--mask", options->mask,
                       "mask file, not with --manifest; none = the model chooses the place");
  mask->type_name("FILE");
  auto* const init = verb->add_option(
      "--init", options->init, "picture to paint into: outside of --region it stays, to the bit");
  auto* const region = verb->add_option("--region", options->region,
                                        "where to paint into --init: what is not black");
  init->type_name("FILE");
  region->type_name("FILE");
  verb->add_option("--count", options->count, "images, or images per record (1)")
      ->check(CLI::Range(1, 1'000'000));
  add_sampling_options(*verb, options->sampling);
  verb->callback([&globals, options, manifest, mask, init, region] {
    if (manifest->count() > 0 && mask->count() > 0) {
      throw CLI::ExcludesError("--mask", "--manifest");
    }
    if (init->count() != region->count()) {
      throw CLI::RequiresError(init->count() > 0 ? "--init" : "--region",
                               init->count() > 0 ? "--region" : "--init");
    }
    globals.command = *options;
  });
}

}  // namespace medaug::cli
