// SPDX-License-Identifier: MIT
#include "evaluation/segmenter.h"

#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/stop.h"
#include "base/strings.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "config/concat.h"
#include "data/manifest.h"
#include "evaluation/labelled_images.h"
#include "training/run_config.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

/// What is read, and how.
struct Task {
  fs::path train, val;
  PreprocessOptions preprocess;
  ManifestOptions reading;
};

Task task_of(const Globals& globals, const SegmenterTrainCommand& options) {
  Task task;
  if (!options.config.empty()) {
    const auto config = load_run_config(options.config, globals.overrides);
    task.preprocess = config.preprocess;
    task.reading = {.root = config.data.root, .allow_outside = config.data.allow_outside};
    // Its manifests are looked for only where the command line names no others.
    task.train = options.train.empty() ? train_manifest(config) : fs::path();
    const bool val_of_config = options.val.empty() && !config.val_path.empty();
    task.val = val_of_config ? val_manifest(config) : fs::path();
  }
  if (!options.train.empty()) {
    task.train = find_manifest(options.train, "train");
  }
  if (!options.val.empty()) {
    task.val = find_manifest(options.val, "val");
  }
  if (task.train.empty() || task.val.empty()) {
    throw Error(
        ErrorCode::kUsage, "segmenter train",
        task.train.empty() ? "no training images are given" : "no held-out images are given",
        "give --data TRAIN.jsonl and --val VAL.jsonl, or --config FILE with val_data");
  }
  if (!options.root.empty()) {
    task.reading.root = options.root;
  }
  task.reading.allow_outside |= options.allow_outside;
  auto& p = task.preprocess;
  p.buckets = false;  // all pictures at one size
  if (options.size) {
    p.image_size = *options.size;
    p.image_width = 0;
  }
  if (options.classes) {
    p.mask_classes = *options.classes;
  }
  if (!options.class_names.empty()) {
    p.class_names = options.class_names;
    p.mask_classes =
        options.classes.value_or(static_cast<std::int64_t>(options.class_names.size()));
  }
  if (!p.class_names.empty() && std::cmp_not_equal(p.class_names.size(), p.mask_classes)) {
    throw Error(ErrorCode::kUsage, "--class-names",
                concat({std::to_string(p.class_names.size()), " names for ",
                        std::to_string(p.mask_classes), " classes"}),
                "give one name for each mask class, background not counted");
  }
  return task;
}

Result result_of(const Segmenter& segmenter, const std::string& output, bool stopped) {
  const auto& facts = segmenter.info().training;
  Result result;
  result.text =
      concat({output, stopped ? ": stopped by request, " : ": ", "Dice ",
              formatted("%.3f", facts["held_out_dice"].get<double>()), " on ",
              std::to_string(facts["val_images"].get<std::int64_t>()), " held-out images (step ",
              std::to_string(facts["best_step"].get<std::int64_t>()), ")"});
  result.json = facts;
  result.json["segmenter"] = output;
  result.json["sha256"] = sha256_file(output);
  result.next =
      concat({"medaug evaluate --generated GENERATED.jsonl --reference VAL.jsonl "
              "--segmenter ",
              shell_quoted(output)});
  return result;
}

}  // namespace

int run(const Globals& globals, const SegmenterTrainCommand& options) {
  auto task = task_of(globals, options);
  make_folders(fs::absolute(options.output).parent_path());
  const auto train = Dataset::load(read_manifest(task.train, task.reading), task.preprocess, 2);
  const auto val = Dataset::load(read_manifest(task.val, task.reading), task.preprocess, 2);
  refuse_leaks({task.train.string(), train, {}, 0}, {task.val.string(), val, {}, 0});
  install_stop_signals();
  Progress bar({.label = "segmenter",
                .unit = "steps",
                .total = options.segmenter.steps,
                .quiet = globals.quiet});
  const auto segmenter = train_segmenter(
      train, *val, task.preprocess, options.segmenter, [&](const SegmenterProgress& p) {
        bar.update(p.step, concat({"loss ", formatted("%.4f", p.loss), ", held-out Dice ",
                                   formatted("%.3f", p.held_out_dice)}));
        return !stop_requested();
      });
  bar.finish();
  segmenter.save(options.output);
  const bool stopped = stop_requested();
  print_result(globals, result_of(segmenter, options.output, stopped));
  return stopped ? exit_status(ErrorCode::kStopped) : 0;
}

}  // namespace medaug::cli
