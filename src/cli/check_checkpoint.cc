// SPDX-License-Identifier: MIT
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/strings.h"
#include "checkpoint/lineage/backbone.h"
#include "checkpoint/load.h"
#include "checkpoint/manifest.h"
#include "checkpoint/run_folder.h"
#include "checkpoint/safetensors.h"
#include "cli/report.h"
#include "cli/run.h"
#include "config/concat.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

std::string pointer_text(const RunPaths& run, const char* pointer) {
  return pointed_step(run, pointer).value_or("none");
}

void report_run(const fs::path& path, Report& report) {
  const RunPaths run(path);
  for (const auto& checkpoint : list_checkpoints(run)) {
    const auto name = checkpoint.folder.filename().string();
    try {
      const auto manifest = verify_checkpoint(checkpoint.folder);
      report.good(name, concat({human_bytes(static_cast<double>(manifest.total_bytes())),
                                ", every file has its hash"}));
    } catch (const Error& e) {
      report.bad(name, concat({e.where(), ": ", e.message()}), e.hint());
    }
  }
  report.good("latest", pointer_text(run, "latest"));
  report.good("best", pointer_text(run, "best"));
}

void report_step(const fs::path& path, Report& report) {
  const auto checkpoint = find_checkpoint(path);
  const auto manifest = verify_checkpoint(checkpoint.folder);
  for (const auto& file : manifest.files) {
    report.good(file.name, concat({human_bytes(static_cast<double>(file.bytes)), ", sha256 ",
                                   file.sha256.substr(0, 16)}));
  }
}

/// Headers only, unless the values are asked for: the files are of several GB.
int report_backbone(const Globals& globals, const CheckCheckpointCommand& options) {
  const auto backbone = open_backbone(options.path);
  Report report;
  report.good("layout", concat({enum_name(backbone.layout()), ": ",
                                printable(backbone.files().weights.string(), 1000)}));
  report.good("network", configuration_name(backbone.options()));
  report.good("weights", concat({std::to_string(backbone.stored_tensors()), " tensors, ",
                                 std::to_string(backbone.stored_parameters()), " numbers, ",
                                 backbone.stored_dtypes(), ", ",
                                 human_bytes(static_cast<double>(backbone.stored_bytes())),
                                 backbone.files().ema ? ", EMA" : ""}));
  if (options.values) {
    for (const auto& tensor : backbone.tensors()) {
      backbone.read(tensor.name);  // throws what is wrong with it
    }
    report.good("values", "all finite");
  } else {
    report.note("values", "not read", "--values reads them all");
  }
  const Json json{{"layout", enum_name(backbone.layout())},
                  {"file", backbone.files().weights.string()},
                  {"ema", backbone.files().ema},
                  {"configuration", configuration_name(backbone.options())},
                  {"tensors", backbone.stored_tensors()},
                  {"parameters", backbone.stored_parameters()},
                  {"dtype", backbone.stored_dtypes()},
                  {"bytes", backbone.stored_bytes()},
                  {"model", to_json(backbone.options())}};
  const bool ours = backbone.layout() == BackboneLayout::kMedaug;
  print_result(globals,
               report.result(concat({"medaug convert ", shell_quoted(options.path), " --to ",
                                     ours ? "lumina" : "medaug", " --output DIR"}),
                             json));
  return 0;
}

/// A run has its own checks; of single files the name or the content tells.
bool is_backbone(const fs::path& path) {
  std::error_code ignored;
  return !fs::exists(path / StepManifest::kName, ignored) &&
         !fs::exists(path / "checkpoints", ignored) &&
         (looks_like_backbone(path) || is_converted_backbone(path));
}

void report_model(const fs::path& file, Report& report) {
  const auto model = read_safetensors(file);
  require_finite(model);
  std::int64_t numbers = 0;
  for (const auto& [name, tensor] : model.tensors) {
    numbers += tensor.numel();
  }
  report.good("model file",
              concat({printable(file.string()), ": ", std::to_string(model.tensors.size()),
                      " tensors, ", human_count(numbers), " numbers, all finite"}));
  for (const auto& [key, value] : model.metadata) {
    report.good(concat({"  ", printable(key, 40)}), printable(value, 80));
  }
}

}  // namespace

int run(const Globals& globals, const CheckCheckpointCommand& options) {
  const fs::path path = options.path;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw Error(ErrorCode::kCheckpoint, printable(options.path), "there is no such checkpoint",
                "give a run folder, a step folder or a .safetensors file");
  }
  if (is_backbone(path)) {
    return report_backbone(globals, options);
  }
  Report report;
  if (fs::is_directory(path / "checkpoints", ignored)) {
    report_run(path, report);
  } else if (fs::is_directory(path, ignored)) {
    report_step(path, report);
  }
  report_model(find_inference_file(path), report);
  print_result(globals,
               report.result(concat({"medaug generate --checkpoint ", shell_quoted(options.path),
                                     " --caption TEXT --output DIR"})));
  return report.has_bad() ? exit_status(ErrorCode::kCheckpoint) : 0;
}

}  // namespace medaug::cli
