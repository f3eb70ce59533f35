// SPDX-License-Identifier: MIT
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "cli/report.h"
#include "cli/run.h"
#include "config/concat.h"
#include "data/manifest.h"
#include "training/run_config.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostBadLines = 3;

struct Count {
  std::int64_t good = 0;
  std::int64_t bad = 0;
  std::string first_faults;
};

Count count_records(const RunConfig& config, const fs::path& manifest) {
  ManifestReader reader(manifest,
                        {.root = config.data.root, .allow_outside = config.data.allow_outside});
  Count count;
  for (;;) {
    try {
      if (!reader.next()) {
        return count;
      }
      ++count.good;
    } catch (const Error& e) {
      if (++count.bad <= kMostBadLines) {
        count.first_faults +=
            concat({count.bad > 1 ? "\n          " : "", e.where(), ": ", e.message()});
      }
    }
  }
}

void check_manifest(const RunConfig& config, const std::string& split, Report& report) {
  const auto topic = concat({split, " manifest"});
  fs::path manifest;
  try {
    manifest = split == "train" ? train_manifest(config) : val_manifest(config);
    if (manifest.empty()) {
      report.note(topic, concat({"none: ", human_share(config.data.val_fraction),
                                 " of the training data is held out"}));
      return;
    }
    const auto count = count_records(config, manifest);
    const auto name = printable(manifest.string());
    if (count.bad == 0) {
      report.good(topic, concat({name, ": all files of ", std::to_string(count.good),
                                 " records are there"}));
      return;
    }
    report.bad(topic,
               concat({name, ": ", std::to_string(count.bad), " of ",
                       std::to_string(count.bad + count.good), " records are wrong"}),
               concat({count.first_faults, "\n          'medaug check data ",
                       shell_quoted(manifest.string()), "' lists them all"}));
  } catch (const Error& e) {
    report.bad(topic, concat({e.where(), ": ", e.message()}), e.hint());
  }
}

}  // namespace

int run(const Globals& globals, const CheckPathsCommand& options) {
  const auto config = load_run_config(options.file, globals.overrides, guess_use(options.file));
  Report report;
  report.good("config", options.file);
  if (config.train_path.empty()) {
    std::error_code ignored;
    const bool there = !config.checkpoint.empty() && fs::exists(config.checkpoint, ignored);
    report.add(there ? Verdict::kGood : Verdict::kBad, "checkpoint",
               config.checkpoint.empty() ? "none given" : printable(config.checkpoint.string()),
               there ? "" : "set inference.checkpoint to a checkpoint that exists");
  } else {
    check_manifest(config, "train", report);
    check_manifest(config, "val", report);
    // load_run_config refused a folder that cannot be written.
    report.good("run folder", concat({printable(config.run_folder.string()), " can be written"}));
  }
  print_result(globals,
               report.result(concat({"medaug check config ", shell_quoted(options.file)})));
  return report.has_bad() ? exit_status(ErrorCode::kData) : 0;
}

}  // namespace medaug::cli
