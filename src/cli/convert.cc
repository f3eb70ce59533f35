// SPDX-License-Identifier: MIT
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "checkpoint/lineage/export.h"
#include "checkpoint/run_folder.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/run.h"
#include "config/concat.h"
#include "training/latent_model.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

ImportOptions import_options(const ConvertCommand& command) {
  ImportOptions options;
  options.weights = command.ema      ? WeightsChoice::kEma
                    : command.no_ema ? WeightsChoice::kRaw
                                     : WeightsChoice::kEmaIfThere;
  options.mask_classes = command.mask_classes;
  options.known = {.patch_size = command.patch_size,
                   .heads = command.heads,
                   .norm_eps = command.norm_eps,
                   .sample_size = {}};
  return options;
}

void refuse_existing(const std::vector<fs::path>& files) {
  for (const auto& file : files) {
    std::error_code ignored;
    if (fs::exists(file, ignored)) {
      throw Error(ErrorCode::kUsage, printable(file.string(), 1000), "is there already",
                  "choose another --output, or write over it with --force");
    }
  }
}

/// A run keeps its model under checkpoints/.
fs::path source_of(const ConvertCommand& command) {
  const fs::path path = command.source;
  std::error_code ignored;
  return fs::is_directory(path / "checkpoints", ignored) ? find_inference_file(path) : path;
}

Json json_of(const ImportedBackbone& source, const ExportedBackbone& made,
             const ConvertCommand& command) {
  Json files = Json::array();
  for (const auto& file : made.files) {
    files.push_back(file.string());
  }
  return {{"source",
           {{"layout", enum_name(source.layout())},
            {"file", source.files().weights.string()},
            {"ema", source.files().ema},
            {"configuration", configuration_name(source.options())},
            {"tensors", source.stored_tensors()},
            {"parameters", source.stored_parameters()}}},
          {"layout", command.to},
          {"files", files},
          {"tensors", made.tensors},
          {"parameters", made.parameters},
          {"bytes", made.bytes}};
}

void check_parts(const ConvertCommand& command) {
  if (command.vae.empty() != command.text_encoder.empty()) {
    throw Error(ErrorCode::kUsage, command.vae.empty() ? "--text-encoder" : "--vae",
                "a whole model needs both --vae and --text-encoder",
                "without them the backbone alone is converted");
  }
  if (!command.vae.empty() && command.to != enum_name(BackboneLayout::kMedaug)) {
    throw Error(ErrorCode::kUsage, "--vae", "goes with --to medaug only",
                "the other forms hold the backbone alone");
  }
}

ExportedBackbone whole_model(const ImportedBackbone& backbone, const fs::path& folder,
                             const ExportOptions& options, const ConvertCommand& command) {
  LatentModelOptions whole;
  whole.parts.autoencoder = command.vae;
  whole.parts.text_encoder = command.text_encoder;
  whole.image_size = command.image_size;
  whole.dtype = options.dtype;
  whole.progress = options.progress;
  return write_latent_model(folder, backbone, whole);
}

}  // namespace

int run(const Globals& globals, const ConvertCommand& command) {
  ExportOptions options;
  options.layout = *enum_from_name<BackboneLayout>(command.to);
  options.dtype = *enum_from_name<ExportDtype>(command.dtype);
  options.drop_mask = command.drop_mask;
  const fs::path folder = command.output;
  if (command.mask_classes > 0 && options.layout != BackboneLayout::kMedaug) {
    throw Error(ErrorCode::kUsage, "--mask-classes", "goes with --to medaug only",
                "the other forms have no mask planes");
  }
  if (!command.force) {
    refuse_existing(export_files(options.layout, folder));
  }
  check_parts(command);
  const auto backbone = open_backbone(source_of(command), import_options(command));
  require_exportable(backbone, options);
  std::optional<Progress> progress;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    if (!progress) {
      progress.emplace(ProgressOptions{
          .label = "converting", .unit = "tensors", .total = total, .quiet = globals.quiet});
    }
    progress->update(done);
  };
  const auto made = command.vae.empty() ? export_backbone(backbone, folder, options)
                                        : whole_model(backbone, folder, options, command);
  progress.reset();  // ends its line
  const auto& first = made.files.front();
  Result result;
  result.text =
      concat({printable(first.string(), 1000), ": ", configuration_name(backbone.options()), ", ",
              std::to_string(made.tensors), " tensors, ", std::to_string(made.parameters),
              " numbers, ", human_bytes(static_cast<double>(made.bytes))});
  result.json = json_of(backbone, made, command);
  result.next = command.vae.empty()
                    ? concat({"medaug check checkpoint ", shell_quoted(first.string())})
                    : concat({"medaug generate --checkpoint ", shell_quoted(first.string()),
                              " --caption TEXT --output FOLDER"});
  print_result(globals, result);
  return 0;
}

}  // namespace medaug::cli
