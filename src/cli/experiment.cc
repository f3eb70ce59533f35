// SPDX-License-Identifier: MIT
#include "evaluation/experiment.h"

#include <ATen/Parallel.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/stop.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "cli/version.h"
#include "config/concat.h"
#include "config/document.h"
#include "config/reader.h"
#include "evaluation/experiment_report.h"
#include "evaluation/report.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

ExperimentOptions options_of(const Globals& globals, const ExperimentCommand& command) {
  ExperimentOptions options;
  options.task = *enum_from_name<ExperimentTask>(command.task);
  if (!command.arms.empty()) {
    options.arms.clear();
    for (const auto& name : command.arms) {
      options.arms.push_back(*enum_from_name<ArmKind>(name));
    }
  }
  if (!command.ratios.empty()) {
    options.ratios = command.ratios;
  }
  options.real_share = command.real_share;
  options.seeds = command.seeds;
  options.steps = command.steps;
  options.labelled = command.labelled;
  options.labelled_seed = command.labelled_seed;
  options.classifier.network = *enum_from_name<ClassifierNetwork>(command.network);
  ConfigDocument document;
  document.apply_overrides(globals.overrides);
  ConfigReader read(document);
  const bool segments = options.task == ExperimentTask::kSegmentation;
  if (segments) {
    read("segmenter", options.segmenter);
  } else {
    read("classifier", options.classifier);
  }
  read("augment", segments ? options.segmenter.augment : options.classifier.augment);
  read.finish();
  return options;
}

ManifestOptions reading_of(const ExperimentCommand& command) {
  ManifestOptions reading;
  reading.root = command.root;
  reading.allow_outside = command.allow_outside;
  return reading;
}

/// Reads the manifests of one task.
class Reader {
 public:
  Reader(const ExperimentCommand& command, ExperimentTask task)
      : task_(task), reading_(reading_of(command)) {
    if (!command.label_map.empty()) {
      labels_.map = LabelMap::load(command.label_map);
    }
    auto& p = data.preprocess;
    p.image_size = command.image_size;
    if (task == ExperimentTask::kSegmentation) {
      p.class_names = command.class_names;
      p.mask_classes = command.class_names.empty()
                           ? command.mask_classes
                           : static_cast<std::int64_t>(command.class_names.size());
    }
  }

  LabelledImages operator()(const std::string& path, const char* split) {
    const auto file = find_manifest(path, split);
    if (task_ == ExperimentTask::kClassification) {
      const auto manifest = read_labelled(file, reading_, labels_);
      if (data.classes.size() == 0) {
        data.classes = classes_of(manifest);
      }
      return read_images(manifest, data.classes, data.preprocess, at::get_num_threads());
    }
    LabelledImages out{file.string(), nullptr, {}, 0};
    out.data = Dataset::load(read_manifest(file, reading_), data.preprocess, at::get_num_threads());
    out.classes.assign(static_cast<std::size_t>(out.data->size()), 0);
    std::vector<std::int64_t> masked;
    for (std::int64_t i = 0; i < out.size(); ++i) {
      if (out.data->has_mask(i)) {
        masked.push_back(i);
      }
    }
    if (masked.empty()) {
      throw Error(ErrorCode::kData, file.string(), "no image of this data set has a mask",
                  "give mask_path in the manifest");
    }
    const auto skipped = out.size() - std::ssize(masked);
    auto kept = chosen(out, masked);
    kept.skipped = skipped;
    return kept;
  }

  /// What the generator saw: nothing but pixels and groups counts.
  LabelledImages pictures(const std::string& path) {
    const auto file = find_manifest(path, "train");
    auto manifest = read_manifest(file, reading_);
    for (auto& record : manifest.records) {
      record.mask_path.reset();
    }
    LabelledImages out{file.string(), nullptr, {}, 0};
    out.data = Dataset::load(manifest, data.preprocess, at::get_num_threads());
    out.classes.assign(static_cast<std::size_t>(out.data->size()), 0);
    return out;
  }

  ExperimentData data;

 private:
  ExperimentTask task_;
  ManifestOptions reading_;
  LabelOptions labels_;
};

/// Originals stand beside what was made of them in the manifest of `augment`: those that are not
/// kept must not come back as synthetic ones.
void read_synthetic(const LabelledImages& synthetic, const LabelledImages& real,
                    ExperimentData& data) {
  data.synthetic = without_copies(without_originals(synthetic), real);
  data.copies_left_out = synthetic.size() - data.synthetic.size();
  if (data.synthetic.size() == 0) {
    throw Error(ErrorCode::kData, data.synthetic.name,
                "holds nothing but originals and copies of them",
                "--synthetic names the manifest that 'medaug augment' wrote");
  }
}

ExperimentData read_data(const ExperimentCommand& command, const ExperimentOptions& options) {
  if (command.synthetic.empty() && !command.plan) {
    throw Error(ErrorCode::kUsage, "--synthetic", "there are no synthetic images to try",
                "give the manifest that 'medaug augment' wrote, or --plan to choose the labelled "
                "images first");
  }
  Reader read(command, options.task);
  auto& data = read.data;
  const auto all = read(command.real, "train");
  if (options.labelled > all.size()) {
    throw Error(ErrorCode::kUsage, "--labelled",
                concat({"there are ", std::to_string(all.size()), " images in ", all.name}),
                "ask for fewer");
  }
  if (!command.synthetic.empty()) {
    read_synthetic(read(command.synthetic, "manifest"), all, data);
  }
  data.real = few_of(all, options.labelled, options.labelled_seed);
  data.val = read(command.val, "val");
  data.test = read(command.test, "test");
  if (!command.generator.empty()) {
    data.generator = read.pictures(command.generator);
  }
  refuse_experiment_leaks(data);
  return std::move(data);
}

/// The kept images as a manifest beside the report, with the paths that its own folder needs.
fs::path write_kept(const LabelledImages& real, const ManifestOptions& reading,
                    const fs::path& folder) {
  // Read again: a classifier's records have lost their masks.
  std::map<std::int64_t, Record> records;
  for (auto& record : read_manifest(real.name, reading).records) {
    const auto number = record.line;
    records.emplace(number, std::move(record));
  }
  std::string text;
  for (std::int64_t i = 0; i < real.size(); ++i) {
    const auto& record = records.at(real.data->record(i).line);
    auto line = record.raw;
    line["image_path"] = fs::absolute(record.image_path).lexically_normal().string();
    if (record.mask_path) {
      line["mask_path"] = fs::absolute(*record.mask_path).lexically_normal().string();
    }
    text += line.dump() + "\n";
  }
  const auto file = folder / "labelled.jsonl";
  write_file_atomically(file, text);
  return file;
}

/// @param arms  none while there are no synthetic images
Result plan_result(const std::vector<ExperimentArm>& arms, const ExperimentOptions& options,
                   const fs::path& kept) {
  Result result;
  result.json = {{"labelled", kept.string()}, {"arms", Json::array()}};
  for (const auto& arm : arms) {
    result.text += concat({arm.name, ": ", std::to_string(arm.real), " real, ",
                           std::to_string(arm.synthetic), " synthetic\n"});
    result.json["arms"].push_back(
        {{"name", arm.name}, {"real_images", arm.real}, {"synthetic_images", arm.synthetic}});
  }
  if (!arms.empty()) {
    result.text += concat({std::to_string(std::ssize(arms) * options.seeds), " trainings of ",
                           std::to_string(options.steps), " steps\n"});
  }
  result.text += concat({"written: ", kept.string(), "\n"});
  result.next = arms.empty() ? concat({"train a generator on these images alone: --set "
                                       "data.allow_outside=true --set data.train_data=",
                                       shell_quoted(kept.string())})
                             : "the same command without --plan";
  return result;
}

}  // namespace

int run(const Globals& globals, const ExperimentCommand& command) {
  const auto options = options_of(globals, command);
  const auto data = read_data(command, options);
  const auto arms =
      command.synthetic.empty() ? std::vector<ExperimentArm>() : plan_arms(data, options);
  const fs::path folder = command.output;
  make_folders(folder);
  const auto kept = write_kept(data.real, reading_of(command), folder);
  if (command.plan) {
    print_result(globals, plan_result(arms, options, kept));
    return 0;
  }
  Result result;
  install_stop_signals();
  Progress bar({.label = "experiment", .unit = "steps", .quiet = globals.quiet});
  std::int64_t done = 0;
  const auto runs =
      run_arms(arms, data, options, folder / "runs", [&](const ExperimentProgress& p) {
        const auto part = static_cast<double>(p.step) / static_cast<double>(p.steps);
        bar.update_share((static_cast<double>(p.run) + part) / static_cast<double>(p.runs), ++done,
                         concat({"training ", std::to_string(p.run + 1), " of ",
                                 std::to_string(p.runs), ", ", p.arm}));
        return !stop_requested();
      });
  bar.finish();
  auto report = experiment_json(data, options, arms, runs);
  report["provenance"] = {{"command", globals.line}, {"build", version_json()}};
  const auto file = folder / "experiment.json";
  write_file_atomically(file, json_text(report));
  if (!command.report.empty()) {
    make_folders(fs::absolute(command.report).parent_path());
    auto shown = report;
    shown.erase("provenance");
    for (auto& [name, arm] : shown["arms"].items()) {
      arm.erase("runs");
    }
    write_report({{"format", "medaug-evaluation-1"},
                  {"experiment", shown},
                  {"provenance", report["provenance"]}},
                 command.report, {});
  }
  result.text = concat({experiment_text(report), "written: ", file.string(), "\n"});
  result.next = command.report.empty()
                    ? "the same command with --report report.html makes a page of it"
                    : concat({"open ", shell_quoted(command.report), " in a browser"});
  result.json = std::move(report);
  print_result(globals, result);
  return 0;
}

}  // namespace medaug::cli
