// SPDX-License-Identifier: MIT
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/stop.h"
#include "base/strings.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "cli/sampling.h"
#include "config/concat.h"
#include "data/manifest.h"
#include "evaluation/gate.h"
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

/// What the gate is made from must outlive it.
struct GateFiles {
  Source training, held_out;
  std::unique_ptr<QualityGate> gate;
};

std::unique_ptr<GateFiles> open_gate(const Globals& globals, const AugmentCommand& options,
                                     const AugmentRequest& request,
                                     const ImageGenerator& generator) {
  if (!options.gate) {
    return nullptr;
  }
  if (options.reference.empty()) {
    throw Error(ErrorCode::kUsage, "--gate", "needs real held-out images to set its limits by",
                "give --reference VAL.jsonl; with --segmenter FILE it looks at the masks too");
  }
  auto files = std::make_unique<GateFiles>();
  files->training =
      options.training.empty() ? source_of(request.source) : read_source(options.training, "train");
  files->held_out = read_source(options.reference, "val");
  GateSources sources;
  if (!options.segmenter.empty()) {
    sources.segmenter = std::make_shared<const Segmenter>(Segmenter::load(options.segmenter));
    sources.space = segmenter_extractor(sources.segmenter);
  } else if (const auto weights = find_weights(kEfficientNetWeights)) {
    sources.space = efficientnet_extractor(*weights);
  } else {
    throw Error(ErrorCode::kResource, kEfficientNetWeights, "was not fetched by the set-up",
                "run scripts/setup.sh again, or give --segmenter FILE");
  }
  sources.training = &files->training;
  sources.held_out = &files->held_out;
  sources.preprocess = preprocess_for(generator.info(), request.settings);
  Progress bar({.label = "real images", .unit = "images", .quiet = globals.quiet});
  files->gate = std::make_unique<QualityGate>(
      std::move(sources), GateOptions{.least_dice = options.least_dice},
      [&](std::int64_t done, std::int64_t) { bar.update(done); });
  return files;
}

/// "asked 100, tried 131, refused 31 (mask agreement 25, outlier 6), kept 98, given up 2"
std::string funnel(const AugmentResult& made) {
  std::int64_t refused = 0;
  std::vector<std::string> rules;
  for (const auto& [rule, count] : made.refused) {
    refused += count;
    rules.push_back(concat({rule, " ", std::to_string(count)}));
  }
  const auto kept = made.kept + made.made;
  return concat({"gate: asked ", std::to_string(made.planned), ", tried ",
                 std::to_string(kept + refused), ", refused ", std::to_string(refused),
                 rules.empty() ? "" : concat({" (", join(rules, ", "), ")"}), ", kept ",
                 std::to_string(kept), ", given up ", std::to_string(made.given_up)});
}

Json funnel_json(const AugmentResult& made, const QualityGate& gate) {
  Json rules = Json::object();
  auto tried = made.kept + made.made;
  for (const auto& [rule, count] : made.refused) {
    rules[rule] = count;
    tried += count;
  }
  return {{"asked", made.planned},     {"tried", tried},
          {"refused", rules},          {"kept", made.kept + made.made},
          {"given_up", made.given_up}, {"limits", gate.plan()}};
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
  const auto gate = open_gate(globals, options, request, generator);
  if (gate) {
    request.gate = gate->gate.get();
    request.gate_plan = gate->gate->plan();
    request.retries = options.retries;
  }
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
  if (gate) {
    result.text += concat({"\n", funnel(made)});
    result.json["gate"] = funnel_json(made, *gate->gate);
    write_file_atomically(request.folder / "funnel.json", json_text(result.json["gate"]));
  }
  result.next = next_command(options, request, made, config);
  print_result(globals, result);
  return made.complete() ? 0 : exit_status(ErrorCode::kStopped);
}

}  // namespace medaug::cli
