// SPDX-License-Identifier: MIT
#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/stop.h"
#include "base/strings.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "cli/sampling.h"
#include "config/concat.h"
#include "data/manifest.h"
#include "inference/augmenter.h"

namespace medaug::cli {
namespace {

AugmentRequest request_of(const AugmentCommand& options, const RunConfig& config) {
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

std::string next_command(const AugmentCommand& options, const AugmentRequest& request,
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

}  // namespace

int run(const Globals& globals, const AugmentCommand& options) {
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

}  // namespace medaug::cli
