// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_phantom(CLI::App& app, Globals& globals) {
  auto* const verb =
      app.add_subcommand("phantom", "write a made-up labelled data set to try everything on");
  const auto options = std::make_shared<PhantomCommand>();
  verb->add_option("folder", options->folder, "where to write it")->required()->type_name("DIR");
  verb->add_option("--count", options->phantom.count, "pictures in all")
      ->check(CLI::Range(3, 1'000'000))
      ->capture_default_str();
  verb->add_option("--size", options->phantom.size, "side in pixels")
      ->check(CLI::Range(32, 1024))
      ->capture_default_str();
  verb->add_option("--seed", options->phantom.seed, "the same seed gives the same files")
      ->capture_default_str();
  verb->add_option("--kind", options->kind, "fundus (colour, two classes) or scan (grey, one)")
      ->check(CLI::IsMember(enum_choices<PhantomKind>()))
      ->capture_default_str();
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
