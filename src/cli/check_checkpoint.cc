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
#include "cli/check_parts.h"
#include "cli/report.h"
#include "cli/run.h"
#include "config/concat.h"
#include "training/model_file.h"

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

int print_part(const Globals& globals, const Report& report, const Json& json) {
  print_result(globals, report.result("medaug convert BACKBONE --to medaug --vae FOLDER "
                                      "--text-encoder FOLDER --output FOLDER",
                                      json));
  return 0;
}

/// The pretrained parts of a model of latents.
Json report_parts(const fs::path& file, const CheckCheckpointCommand& options, Report& report) {
  const auto parts = with_whole_paths(read_model_info(file).frozen, file.parent_path());
  Json json = Json::object();
  if (!parts.autoencoder.empty()) {
    json["autoencoder"] = report_autoencoder(parts.autoencoder, options, report);
  } else if (!options.images.empty()) {
    throw Error(ErrorCode::kUsage, "--images", "this model works on pixels: it has no autoencoder",
                "leave --images out");
  }
  if (!parts.text_encoder.empty()) {
    json["text_encoder"] = report_text_encoder(parts.text_encoder, options, report);
  }
  return json;
}

Json report_model(const fs::path& file, const CheckCheckpointCommand& options, Report& report) {
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
  const auto format = model.metadata.find("format");
  const bool whole = format != model.metadata.end() && format->second == kModelFormat;
  return whole ? report_parts(file, options, report) : Json::object();
}

}  // namespace

int run(const Globals& globals, const CheckCheckpointCommand& options) {
  const fs::path path = options.path;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw Error(ErrorCode::kCheckpoint, printable(options.path), "there is no such checkpoint",
                "give a run folder, a step folder or a .safetensors file");
  }
  const auto without_images = [&](const char* what) {
    if (!options.images.empty()) {
      throw Error(ErrorCode::kUsage, "--images",
                  concat({"goes through an autoencoder, and this is ", what}),
                  "leave --images out");
    }
  };
  Report report;
  switch (frozen_kind(path)) {
    case FrozenKind::kAutoencoder:
      return print_part(globals, report, report_autoencoder(path, options, report));
    case FrozenKind::kTextEncoder:
      without_images("a text encoder");
      return print_part(globals, report, report_text_encoder(path, options, report));
    case FrozenKind::kNone:
      break;
  }
  if (is_backbone(path)) {
    without_images("a backbone");
    return report_backbone(globals, options);
  }
  if (fs::is_directory(path / "checkpoints", ignored)) {
    report_run(path, report);
  } else if (fs::is_directory(path, ignored)) {
    report_step(path, report);
  }
  const auto json = report_model(find_inference_file(path), options, report);
  print_result(globals,
               report.result(concat({"medaug generate --checkpoint ", shell_quoted(options.path),
                                     " --caption TEXT --output DIR"}),
                             json));
  return report.has_bad() ? exit_status(ErrorCode::kCheckpoint) : 0;
}

}  // namespace medaug::cli
