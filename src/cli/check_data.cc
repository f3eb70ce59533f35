// SPDX-License-Identifier: MIT
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/run.h"
#include "config/concat.h"
#include "data/check.h"
#include "data/manifest.h"
#include "training/run_config.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

/// What is to be checked: the manifests on the command line, or those of a config with its mask
/// classes.
struct Task {
  std::vector<fs::path> manifests;
  CheckOptions check;
};

Task task_of(const Globals& globals, const CheckDataCommand& options) {
  Task task;
  task.check.threads = options.threads;
  if (!options.config.empty()) {
    const auto config = load_run_config(options.config, globals.overrides);
    task.check.preprocess = config.preprocess;
    task.check.infer_classes = false;
    task.check.manifest = {.root = config.data.root, .allow_outside = config.data.allow_outside};
    task.manifests.push_back(train_manifest(config));
    if (!config.val_path.empty()) {
      task.manifests.push_back(val_manifest(config));
    }
  }
  for (const auto& manifest : options.manifests) {
    task.manifests.push_back(find_manifest(manifest));
  }
  if (!options.root.empty()) {
    task.check.manifest.root = options.root;
  }
  task.check.manifest.allow_outside |= options.allow_outside;
  return task;
}

}  // namespace

int run(const Globals& globals, const CheckDataCommand& options) {
  const auto task = task_of(globals, options);
  if (task.manifests.empty()) {
    throw Error(ErrorCode::kUsage, "check data", "no manifest is given",
                "for example: medaug check data data/train.jsonl data/val.jsonl, or --config FILE");
  }
  const auto report = check_data(task.manifests, task.check);
  Result result{to_text(report), to_json(report), {}};
  const auto& first = task.manifests.front();
  if (!report.ok()) {
    result.next = concat({"medaug check data ", shell_quoted(first.string())});
  } else if (options.config.empty()) {
    result.next = concat({"medaug train --config configs/tiny.yaml --set ",
                          shell_quoted(concat({"data.train_data=", first.string()}))});
  } else {
    result.next = concat({"medaug train --config ", shell_quoted(options.config)});
  }
  print_result(globals, result);
  return report.ok() ? 0 : exit_status(ErrorCode::kData);
}

}  // namespace medaug::cli
