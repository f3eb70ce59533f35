// SPDX-License-Identifier: MIT
#include <filesystem>
#include <string>
#include <system_error>

#include "base/error.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/strings.h"
#include "checkpoint/run_folder.h"
#include "cli/preflight.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "config/concat.h"
#include "training/run_data.h"
#include "training/trainer.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

/// RUN of RUN, RUN/checkpoints and RUN/checkpoints/latest.
fs::path run_folder_of(fs::path path) {
  path = path.has_filename() ? path : path.parent_path();
  for (const char* inner : {"latest", "checkpoints"}) {
    if (path.filename() == inner) {
      path = path.parent_path();
    }
  }
  return path.empty() ? fs::path(".") : path;
}

std::string yaml_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    out += c == '\'' ? "''" : std::string(1, c);
  }
  return out + "'";
}

RunConfig configure(const Globals& globals, const TrainCommand& options) {
  const bool names_run = options.resuming && !options.resume.empty() && options.resume != "latest";
  const auto named = names_run ? run_folder_of(options.resume) : fs::path();
  if (names_run && !options.output.empty() && named != fs::path(options.output)) {
    throw Error(ErrorCode::kUsage, "train",
                concat({"--resume names ", printable(named.string()), " and --output ",
                        printable(options.output)}),
                "a run goes on in its own folder: leave --output out");
  }
  auto overrides = globals.overrides;
  if (!options.base.empty()) {
    overrides.push_back(concat({"training.init_from=", yaml_quoted(options.base)}));
  }
  if (!options.teacher.empty()) {
    overrides.push_back(concat({"training.distill_from=", yaml_quoted(options.teacher)}));
  }
  return load_run_config(options.config, overrides, ConfigUse::kTrain,
                         names_run ? named : fs::path(options.output));
}

std::string detail_of(const TrainProgress& p) {
  return concat({"step ", std::to_string(p.step), ", loss ", formatted("%.4f", p.loss), ", ",
                 formatted("%.1f", p.images_per_second), " images/s, lr ",
                 formatted("%.2e", p.learning_rate), ", gradient ",
                 formatted("%.2f", p.gradient_norm), ", waiting ",
                 formatted("%.1f", 100.0 * p.waiting_share), " %"});
}

void show(Progress& bar, const TrainProgress& p) {
  if (p.begins) {
    bar.start_from(p.progress, p.step);
    return;
  }
  if (p.validation) {
    bar.finish();
    std::string bins;
    for (const double loss : p.validation->by_time) {
      bins.append(bins.empty() ? "" : " / ").append(formatted("%.3f", loss));
    }
    log_info(concat({"step ", std::to_string(p.step), ": validation loss ",
                     formatted("%.4f", p.validation->loss), " (by time ", bins, ")"}));
  }
  if (!p.note.empty()) {
    bar.finish();
    log_warning(p.note);
  }
  if (!p.validation && p.note.empty()) {
    bar.update_share(p.progress, p.step, detail_of(p));
  }
}

Result result_of(const TrainResult& trained, const RunConfig& config) {
  Result result;
  result.text =
      concat({config.run_folder.string(), ": ", trained.why_ended, " after ",
              std::to_string(trained.state.step), " steps (", std::to_string(trained.state.draws),
              " images, ", human_seconds(trained.state.elapsed_seconds), ")"});
  if (trained.state.best_step >= 0) {
    result.text += concat({"; best ", trained.validated ? "validation" : "training", " loss ",
                           formatted("%.4f", trained.state.best_loss), " at step ",
                           std::to_string(trained.state.best_step)});
  }
  result.json = {{"run", config.run_folder.string()},
                 {"ended", trained.why_ended},
                 {"state", to_json(trained.state)},
                 {"best_model", trained.best_model.string()},
                 {"last_checkpoint", trained.last_step.string()}};
  result.next =
      trained.stopped_by_request
          ? concat({"medaug train --config ",
                    shell_quoted((config.run_folder / "config.yaml").string()), " --resume ",
                    shell_quoted(config.run_folder.string())})
          : concat({"medaug generate --checkpoint ", shell_quoted(trained.best_model.string()),
                    " --manifest ",
                    shell_quoted(val_manifest(config).empty() ? train_manifest(config).string()
                                                              : val_manifest(config).string()),
                    " --output ", shell_quoted((config.run_folder / "generated").string())});
  return result;
}

/// Bytes of a folder's files, those below it too.
double bytes_below(const fs::path& folder) {
  double bytes = 0.0;
  std::error_code ignored;
  for (fs::recursive_directory_iterator it(folder, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    std::error_code not_a_file;
    const auto size = it->file_size(not_a_file);
    bytes += not_a_file ? 0.0 : static_cast<double>(size);
  }
  return bytes;
}

/// Says what the run will need, warns where memory is short, refuses where the disk is.
Preflight look_ahead(const RunConfig& config, const std::pair<Manifest, Manifest>& manifests) {
  const auto& [train, val] = manifests;
  auto ahead = preflight(config, {std::ssize(train.records), std::ssize(val.records)});
  const auto problem = memory_problem(config, ahead.estimate, look_at_machine());
  if (!problem.empty()) {
    log_warning(concat({problem, "; ", memory_advice(config, ahead.estimate)}));
  }
  // What a run that goes on has written already makes room for what it writes.
  const double there = bytes_below(RunPaths(config.run_folder).checkpoints);
  if (ahead.estimate.disk_bytes > ahead.free_disk_bytes + there) {
    throw Error(ErrorCode::kResource, config.run_folder.string(),
                concat({"checkpoints take ", human_bytes(ahead.estimate.disk_bytes), ", free are ",
                        human_bytes(ahead.free_disk_bytes)}),
                concat({"make room, use another --output, or lower training.keep_last (now ",
                        std::to_string(config.training.keep_last), ")"}));
  }
  return ahead;
}

Result dry_run(const Globals& globals, const TrainCommand& options, const RunConfig& config) {
  const auto ahead = look_ahead(config, read_manifests(config));
  auto next = concat({"medaug train --config ", shell_quoted(options.config)});
  for (const auto& setting : globals.overrides) {
    next += concat({" --set ", shell_quoted(setting)});
  }
  if (!options.base.empty()) {
    next += concat({" --init ", shell_quoted(options.base)});
  }
  if (!options.teacher.empty()) {
    next += concat({" --distill-guidance ", shell_quoted(options.teacher)});
  }
  if (!options.output.empty()) {
    next += concat({" --output ", shell_quoted(options.output)});
  }
  return {concat({ahead.text(), "; nothing was started"}), ahead.json(), next};
}

}  // namespace

int run(const Globals& globals, const TrainCommand& options) {
  const auto config = configure(globals, options);
  if (options.dry_run) {
    print_result(globals, dry_run(globals, options, config));
    return 0;
  }
  TrainRequest request;
  request.config = config;
  request.resume = options.resuming;
  request.manifests = read_manifests(config);
  log_info(look_ahead(config, *request.manifests).text());
  install_stop_signals();
  Progress bar({.label = "training", .unit = "steps", .quiet = globals.quiet});
  request.on_progress = [&bar](const TrainProgress& p) { show(bar, p); };
  SingleProcess alone;
  const auto trained = train(request, alone);
  bar.finish();
  print_result(globals, result_of(trained, config));
  return trained.stopped_by_request ? exit_status(ErrorCode::kStopped) : 0;
}

}  // namespace medaug::cli
