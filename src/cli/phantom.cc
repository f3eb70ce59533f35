// SPDX-License-Identifier: MIT
#include "data/phantom.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/error.h"
#include "cli/verbs.h"
#include "config/concat.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string folder;
  std::string kind = "fundus";
  PhantomOptions phantom;
};

void refuse_foreign_folder(const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(folder, ignored) && !fs::is_directory(folder, ignored)) {
    throw Error(ErrorCode::kUsage, folder.string(), "is a file, not a folder",
                "choose another folder");
  }
  const bool ours = fs::exists(folder / kPhantomMarker, ignored);
  if (fs::exists(folder, ignored) && !fs::is_empty(folder, ignored) && !ours) {
    throw Error(ErrorCode::kUsage, folder.string(), "is not empty and is no phantom set",
                "choose a new folder");
  }
}

int run_phantom(const Globals& globals, const Options& options) {
  auto phantom = options.phantom;
  phantom.kind = *enum_from_name<PhantomKind>(options.kind);
  refuse_foreign_folder(options.folder);
  const auto made = write_phantom(options.folder, phantom);
  Result result;
  result.text = concat({options.folder, ": ", std::to_string(made.train), " training, ",
                        std::to_string(made.val), " validation and ", std::to_string(made.test),
                        " test images with masks, captions and grades"});
  result.json = {{"folder", options.folder},
                 {"train", made.train},
                 {"val", made.val},
                 {"test", made.test},
                 {"class_names", made.class_names}};
  result.next = concat(
      {"medaug check data ", shell_quoted((fs::path(options.folder) / "train.jsonl").string())});
  print_result(globals, result);
  return 0;
}

}  // namespace

void add_phantom(CLI::App& app, Globals& globals) {
  auto* const verb =
      app.add_subcommand("phantom", "write a made-up labelled data set to try everything on");
  const auto options = std::make_shared<Options>();
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
  verb->callback([&globals, options] {
    globals.action = [&globals, options] { return run_phantom(globals, *options); };
  });
}

}  // namespace medaug::cli
