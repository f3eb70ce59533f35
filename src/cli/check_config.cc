// SPDX-License-Identifier: MIT
#include <filesystem>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "cli/estimate.h"
#include "cli/machine.h"
#include "cli/memory_table.h"
#include "cli/preflight.h"
#include "cli/report.h"
#include "cli/run.h"
#include "config/concat.h"
#include "training/run_config.h"
#include "training/setup.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& data) {
  std::error_code ignored;
  return fs::exists(data, ignored) || fs::exists(data.string() + ".jsonl", ignored);
}

void report_data(const RunConfig& config, Report& report) {
  const auto& train = config.train_path;
  const auto& val = config.val_path;
  if (is_there(train)) {
    report.good("training data", printable(train.string()));
  } else {
    report.note("training data", concat({printable(train.string()), " does not exist yet"}),
                concat({"'medaug phantom ", shell_quoted(train.parent_path().string()),
                        "' writes a data set to try"}));
  }
  if (val.empty()) {
    report.note("validation data", concat({"none: ", human_share(config.data.val_fraction),
                                           " of the training data is held out"}));
  } else if (is_there(val)) {
    report.good("validation data", printable(val.string()));
  } else {
    report.note("validation data", concat({printable(val.string()), " does not exist yet"}));
  }
}

/// The next command: to go on, or to look again after the config was changed.
std::string next_after(const Report& report, const std::string& verb, const std::string& file) {
  return concat(
      {report.has_bad() ? "medaug check config " : concat({"medaug ", verb, " --config "}),
       shell_quoted(file)});
}

void report_model(const RunConfig& config, const Estimate& estimate, Report& report) {
  const auto& model = estimate.model;
  const auto frozen =
      estimate.trained < estimate.parameters
          ? concat({", ", human_count(estimate.trained), " of them trained (lora.rank ",
                    std::to_string(config.lora.rank), ")"})
          : std::string();
  report.good("model", concat({human_count(estimate.parameters), " parameters", frozen, ": width ",
                               std::to_string(model.dim), ", ", std::to_string(model.layers),
                               " layers, ", std::to_string(model.heads), " heads, patch ",
                               std::to_string(model.patch_size)}));
  report.good("image", concat({std::to_string(config.preprocess.height()), " x ",
                               std::to_string(config.preprocess.width()), " pixels, ",
                               std::to_string(estimate.tokens), " tokens"}));
}

void report_batch(const RunConfig& config, const Estimate& estimate, Report& report) {
  const auto& training = config.training;
  report.good("effective batch size",
              concat({std::to_string(training.effective_batch_size()), " = batch_size ",
                      std::to_string(training.batch_size), " x accumulation ",
                      std::to_string(training.accumulation)}));
  report.good(
      "work per step",
      concat({human_count(static_cast<std::int64_t>(estimate.step_flops / 1e9)), " GFLOP"}));
}

void report_memory(const RunConfig& config, const Estimate& estimate, const Machine& machine,
                   Report& report) {
  if (const auto problem = memory_problem(config, estimate, machine); !problem.empty()) {
    report.note("memory", problem, memory_advice(config, estimate));
  } else {
    report.good("memory", concat({"about ", human_bytes(estimate.memory_bytes()),
                                  " (weights and optimiser ", human_bytes(estimate.weights_bytes),
                                  ", one batch ", human_bytes(estimate.activations_bytes), ")"}));
  }
  report.good("disk", concat({"about ", human_bytes(estimate.disk_bytes), " of checkpoints in ",
                              printable(config.run_folder.string())}));
}

void report_precision(const RunConfig& config, const Machine& machine, Report& report) {
  const auto& training = config.training;
  if (training.device == DeviceChoice::kCuda && machine.gpus == 0) {
    report.bad("device", "training.device is cuda, but LibTorch sees no GPU here",
               "set training.device=auto, or see 'medaug check env'");
  }
  if (!training.use_amp) {
    report.note("precision", "float32",
                "training.use_amp=true is 2 to 4 times faster on most machines");
  } else {
    const bool half = compute_dtype(training) == at::kBFloat16;
    report.good("precision", half ? "bfloat16 products, float32 weights" : "float32");
  }
}

void report_habits(const RunConfig& config, const Machine& machine, Report& report) {
  if (config.data.num_workers > machine.cores) {
    report.note("num_workers",
                concat({std::to_string(config.data.num_workers), " reading threads on ",
                        std::to_string(machine.cores), " cores"}),
                concat({"data.num_workers=", std::to_string(machine.cores), " is enough"}));
  }
  if (config.training.learning_rate > 5e-3) {
    report.note("learning_rate", "above 5e-3", "1e-4 to 1e-3 is usual with AdamW");
  }
  if (config.augment.horizontal_flip) {
    report.note("horizontal_flip", "on", "only where left and right mean the same in these images");
  }
}

int check_inference(const Globals& globals, const CheckConfigCommand& options,
                    const RunConfig& config) {
  Report report;
  report.good("sampling",
              concat({enum_name(config.sampler.solver), ", ", std::to_string(config.sampler.steps),
                      " steps, text guidance ", Json(config.guidance.text).dump()}));
  std::error_code ignored;
  if (config.checkpoint.empty() || !fs::exists(config.checkpoint, ignored)) {
    report.note("checkpoint",
                config.checkpoint.empty()
                    ? "none given"
                    : concat({printable(config.checkpoint.string()), " does not exist yet"}),
                "train first, or set inference.checkpoint");
  } else {
    report.good("checkpoint", printable(config.checkpoint.string()));
  }
  print_result(globals, report.result(next_after(report, "generate", options.file)));
  return report.has_bad() ? exit_status(ErrorCode::kConfig) : 0;
}

int check_training(const Globals& globals, const CheckConfigCommand& options,
                   const RunConfig& config) {
  const auto machine = look_at_machine();
  const auto estimate = estimate_run(config);
  Report report;
  report_data(config, report);
  report_model(config, estimate, report);
  report_batch(config, estimate, report);
  report_memory(config, estimate, machine, report);
  report_precision(config, machine, report);
  report_habits(config, machine, report);
  Json json{{"config", options.file},
            {"parameters", estimate.parameters},
            {"effective_batch_size", config.training.effective_batch_size()},
            {"memory_bytes", estimate.memory_bytes()}};
  print_result(globals, report.result(next_after(report, "train", options.file), std::move(json)));
  return report.has_bad() ? exit_status(ErrorCode::kConfig) : 0;
}

}  // namespace

int run(const Globals& globals, const CheckConfigCommand& options) {
  const auto use = guess_use(options.file);
  const auto config = load_run_config(options.file, globals.overrides, use);
  if (options.print) {
    const Json json{{"config", options.file}, {"yaml", run_config_yaml(config)}};
    print_result(globals, {run_config_yaml(config), json, ""});
    return 0;
  }
  if (options.memory_table) {
    print_result(globals, memory_table(config));
    return 0;
  }
  return use == ConfigUse::kTrain ? check_training(globals, options, config)
                                  : check_inference(globals, options, config);
}

}  // namespace medaug::cli
