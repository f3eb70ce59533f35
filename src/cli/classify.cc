// SPDX-License-Identifier: MIT
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/stop.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "config/concat.h"
#include "config/document.h"
#include "config/reader.h"
#include "evaluation/downstream_report.h"
#include "image/image.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLargestSide = 128;  // of images when no size is asked for

DownstreamOptions options_of(const Globals& globals, const ClassifyCommand& command) {
  DownstreamOptions options{command.classifier, command.seeds, command.equal_epochs};
  auto& classifier = options.classifier;
  classifier.network = *enum_from_name<ClassifierNetwork>(command.network);
  if (command.no_augment) {
    classifier.augment = {.horizontal_flip = false, .probability = 0.0};
  }
  ConfigDocument document;
  document.apply_overrides(globals.overrides);
  ConfigReader read(document);
  read("classifier", classifier);
  read("augment", classifier.augment);
  read.finish();
  if (const auto weights = first_weights(classifier); weights && !fs::is_regular_file(*weights)) {
    throw Error(ErrorCode::kCheckpoint, weights->string(), "there is no such file",
                "--weights needs a .safetensors file");
  }
  return options;
}

/// The labelled records of all manifests; those that were not given have none.
struct Manifests {
  LabelledManifest original, val;
  std::optional<LabelledManifest> augmented, test;
};

Manifests read_all(const ClassifyCommand& command) {
  LabelOptions labels;
  labels.skip_unlabelled = command.skip_unlabelled;
  if (!command.label_map.empty()) {
    labels.map = LabelMap::load(command.label_map);
  }
  ManifestOptions reading;
  reading.root = command.root;
  reading.allow_outside = command.allow_outside;
  const auto read = [&](const std::string& path, const char* split) {
    return read_labelled(find_manifest(path, split), reading, labels);
  };
  const auto read_if_given = [&](const std::string& path, const char* split) {
    return path.empty() ? std::nullopt : std::optional(read(path, split));
  };
  Manifests out{read(command.original, "train"), read(command.val, "val"), {}, {}};
  out.augmented = read_if_given(command.augmented, "manifest");
  out.test = read_if_given(command.test, "test");
  return out;
}

/// The side that both arms' images have by themselves: none is enlarged, so that size tells nothing
/// about where an image comes from.
std::int64_t common_side(const Manifests& manifests) {
  auto side = kLargestSide;
  const auto look = [&](const LabelledManifest& manifest) {
    const auto image = read_image(manifest.manifest.records.front().image_path);
    side = std::min({side, image.height(), image.width()});
  };
  look(manifests.original);
  look(manifests.val);
  if (manifests.augmented) {
    look(*manifests.augmented);
  }
  return std::max<std::int64_t>(side, 8);
}

DownstreamData read_data(const ClassifyCommand& command) {
  const auto manifests = read_all(command);
  DownstreamData data;
  data.classes = classes_of(manifests.original);
  data.preprocess.image_size = command.image_size > 0 ? command.image_size : common_side(manifests);
  const auto read = [&](const LabelledManifest& manifest) {
    return read_images(manifest, data.classes, data.preprocess, at::get_num_threads());
  };
  data.original = read(manifests.original);
  data.val = read(manifests.val);
  if (manifests.augmented) {
    const auto all = read(*manifests.augmented);
    data.augmented = without_copies(without_originals(all), data.original);
    data.copies_left_out = all.size() - data.augmented->size();
  }
  if (manifests.test) {
    data.test = read(*manifests.test);
  }
  return data;
}

void check_data(const DownstreamData& data) {
  if (data.augmented && data.augmented->size() == 0) {
    throw Error(ErrorCode::kData, data.augmented->name,
                "holds nothing but originals and copies of them",
                "--augmented_data names the manifest that 'medaug augment' wrote");
  }
  const auto check = [&](const LabelledImages& held_out) {
    refuse_leaks(data.original, held_out);
    if (data.augmented) {
      refuse_leaks(*data.augmented, held_out);
    }
  };
  check(data.val);
  if (data.test) {
    check(*data.test);
    refuse_leaks(data.val, *data.test);
  }
}

void say_what_is_done(const DownstreamData& data, const DownstreamOptions& options) {
  if (data.copies_left_out > 0) {
    log_info(concat({data.augmented->name, ": ", std::to_string(data.copies_left_out),
                     " images are the original ones and count once"}));
  }
  const auto network = std::string(enum_name(options.classifier.network));
  const auto weights = first_weights(options.classifier);
  log_info(concat({network, ": ", weights ? weights->filename().string() : "from scratch",
                   weights || options.classifier.from_scratch ||
                           options.classifier.network == ClassifierNetwork::kSmall
                       ? ""
                       : ", for there are no weights: 'make setup' fetches those of "
                         "efficientnet_lite0, --weights names others"}));
}

/// @param done  steps of all trainings so far
void show(Progress& bar, const DownstreamProgress& p, std::int64_t done) {
  char detail[128];
  std::snprintf(detail, sizeof detail, "training %lld of %lld, loss %.3f, val balanced %.1f %%",
                static_cast<long long>(p.run + 1), static_cast<long long>(p.runs), p.training.loss,
                100.0 * p.training.balanced_accuracy);
  const auto part = static_cast<double>(p.training.step) / static_cast<double>(p.training.steps);
  bar.update_share((static_cast<double>(p.run) + part) / static_cast<double>(p.runs), done, detail);
}

/// The classifier of the last arm with the best balanced accuracy on the validation images.
const Classifier& best_of(const std::vector<Arm>& arms) {
  const auto& runs = arms.back().runs;
  return std::max_element(runs.begin(), runs.end(),
                          [](const ArmRun& a, const ArmRun& b) {
                            return a.val.scores.balanced_accuracy < b.val.scores.balanced_accuracy;
                          })
      ->classifier;
}

/// The same comparison with what it still lacks: augmented images, a test set, more seeds.
std::string next_command(const ClassifyCommand& command) {
  const auto option = [](const char* name, const std::string& value, const char* stands_for) {
    return concat({" ", name, " ", value.empty() ? stands_for : shell_quoted(value)});
  };
  auto next = concat({"medaug classify", option("--original_data", command.original, ""),
                      option("--augmented_data", command.augmented, "AUGMENTED.jsonl"),
                      option("--val_data", command.val, "")});
  if (!command.augmented.empty()) {
    next += option("--test_data", command.test, "TEST.jsonl");
  }
  if (!command.test.empty()) {
    next += concat({" --seeds ", std::to_string(2 * command.seeds)});
  }
  return next;
}

Result result_of(const ClassifyCommand& command, Json report) {
  Result result;
  result.text = concat({downstream_text(report), "written: ", command.output,
                        command.save.empty() ? "" : concat({", ", command.save}), "\n"});
  result.next = next_command(command);
  result.json = std::move(report);
  return result;
}

}  // namespace

int run(const Globals& globals, const ClassifyCommand& command) {
  const auto options = options_of(globals, command);
  const auto data = read_data(command);
  check_data(data);
  for (const auto& file : {command.output, command.save}) {
    if (const auto folder = fs::path(file).parent_path(); !folder.empty()) {
      make_folders(folder);
    }
  }
  say_what_is_done(data, options);
  install_stop_signals();
  Progress bar({.label = "training", .unit = "steps", .quiet = globals.quiet});
  std::int64_t done = 0;
  const auto arms = compare_arms(data, options, [&](const DownstreamProgress& p) {
    show(bar, p, ++done);
    return !stop_requested();
  });
  bar.finish();
  auto report = downstream_json(data, options, arms);
  if (!command.save.empty()) {
    best_of(arms).save(command.save);
    report["saved"] = command.save;
  }
  write_file_atomically(command.output, json_text(report));
  print_result(globals, result_of(command, std::move(report)));
  return 0;
}

}  // namespace medaug::cli
