// SPDX-License-Identifier: MIT
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/stop.h"
#include "base/strings.h"
#include "cli/progress.h"
#include "cli/sampling_flags.h"
#include "cli/usage.h"
#include "cli/verbs.h"
#include "config/concat.h"
#include "data/manifest.h"
#include "inference/augmenter.h"

namespace medaug::cli {
namespace {

struct Options {
  SamplingFlags sampling;
  AugmentPlan plan;
  std::string manifest;
  std::string balance;
  std::string mask_transform = "none";
  std::string originals = "none";
  bool resume = false;  // the same call goes on anyway; the flag says that one means it
};

AugmentRequest request_of(const Options& options, const RunConfig& config) {
  ManifestOptions reading;
  reading.root = options.sampling.root;
  reading.allow_outside = options.sampling.allow_outside;
  AugmentRequest request;
  request.source = read_manifest(find_manifest(options.manifest, "train"), reading);
  request.folder = config.run_folder;
  request.plan = options.plan;
  request.plan.balance_labels = options.balance == "label";
  request.plan.mask_transform = *enum_from_name<MaskTransform>(options.mask_transform);
  request.plan.originals = *enum_from_name<Originals>(options.originals);
  request.plan.seed = config.inference.seed;
  return request;
}

std::string summary(const AugmentRequest& request, const AugmentResult& made) {
  auto text = concat(
      {request.folder.string(), ": ", std::to_string(made.kept + made.made), " synthetic images"});
  if (made.kept > 0) {
    text += concat({" (", std::to_string(made.kept), " of them from an earlier call)"});
  }
  if (made.originals > 0) {
    text += concat({" and ", std::to_string(made.originals), " originals"});
  }
  text += " in manifest.jsonl; contact_sheet.png";
  if (!made.complete()) {
    text += concat({"; stopped by request, ", std::to_string(made.planned),
                    " are planned: the same command goes on"});
  }
  return text;
}

std::string next_command(const Options& options, const AugmentRequest& request,
                         const AugmentResult& made, const RunConfig& config) {
  const auto manifest = shell_quoted(made.manifest.string());
  if (!made.complete()) {
    return concat({"medaug augment --resume --manifest ", shell_quoted(options.manifest),
                   " --checkpoint ", shell_quoted(config.checkpoint.string()), " --output ",
                   shell_quoted(request.folder.string()), " and the other arguments of before"});
  }
  return concat(
      {"medaug check data ", manifest, "; then train with --set data.train_data=", manifest});
}

int run_augment(const Globals& globals, const Options& options) {
  const auto config = sampling_config(globals, options.sampling);
  auto request = request_of(options, config);
  auto generator = open_generator(config, options.sampling);
  request.settings = settings_for(globals, options.sampling, config, generator);
  request.provenance = provenance_of(generator, request.settings, options.sampling);
  Progress bar(
      {.label = "augmenting",
       .unit = "images",
       .total = static_cast<std::int64_t>(planned_sources(request.source, request.plan).size()),
       .quiet = globals.quiet});
  bool begun = false;
  request.on_progress = [&](std::int64_t done, std::int64_t total) {
    if (!std::exchange(begun, true)) {  // with what an earlier call made
      bar.start_from(
          static_cast<double>(done) / static_cast<double>(std::max<std::int64_t>(1, total)), done);
      return;
    }
    bar.update(done);
  };
  install_stop_signals();
  const auto made = augment_dataset(generator, request);
  bar.finish();
  Result result;
  result.text = summary(request, made);
  result.json = {{"folder", request.folder.string()},
                 {"manifest", made.manifest.string()},
                 {"planned", made.planned},
                 {"kept", made.kept},
                 {"made", made.made},
                 {"originals", made.originals},
                 {"complete", made.complete()}};
  result.next = next_command(options, request, made, config);
  print_result(globals, result);
  return made.complete() ? 0 : exit_status(ErrorCode::kStopped);
}

}  // namespace

void add_augment(CLI::App& app, Globals& globals) {
  auto* const verb = app.add_subcommand(
      "augment", "make a data set of new images for the masks and captions of a manifest");
  const auto options = std::make_shared<Options>();
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
  verb->add_flag("--resume", options->resume,
                 "go on where a call with the same arguments stopped (done without asking, too)");
  add_sampling_options(*verb, options->sampling);
  verb->callback([&globals, options] {
    globals.action = [&globals, options] { return run_augment(globals, *options); };
  });
}

}  // namespace medaug::cli
