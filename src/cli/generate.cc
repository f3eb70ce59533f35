// SPDX-License-Identifier: MIT
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/stop.h"
#include "base/strings.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "cli/sampling.h"
#include "config/concat.h"
#include "data/buckets.h"
#include "data/manifest.h"
#include "data/pair.h"
#include "data/region.h"
#include "image/image.h"
#include "inference/batch_maker.h"
#include "text/caption.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifestName = "generated.jsonl";

/// What one image (or `count` of them) is made from.
struct Source {
  std::string caption;
  std::optional<fs::path> mask;
  Json fields = Json::object();
  std::string where;  ///< for messages
};

std::vector<Source> sources_of_manifest(const GenerateCommand& options) {
  ManifestOptions reading;
  reading.root = options.sampling.root;
  reading.allow_outside = options.sampling.allow_outside;
  reading.images_needed = false;
  const auto manifest = read_manifest(find_manifest(options.manifest, "val"), reading);
  const auto hash = sha256_file(manifest.path);
  std::vector<Source> sources;
  for (const auto& record : manifest.records) {
    sources.push_back({record.caption, record.mask_path, passed_on_fields(record, hash),
                       place_of(manifest, record)});
  }
  return sources;
}

std::vector<Source> sources_of(const GenerateCommand& options, const RunConfig& config) {
  if (!options.manifest.empty()) {
    return sources_of_manifest(options);
  }
  Source source;
  source.caption = options.caption.empty() ? config.inference.caption : options.caption;
  source.caption = normalize_caption(source.caption, "--caption", ErrorCode::kUsage);
  source.where = "--mask";
  const auto mask = options.mask.empty() ? config.inference.mask : options.mask;
  if (!mask.empty()) {
    source.mask = find_input(mask, config.file.parent_path());
  }
  if (source.caption.empty() && !source.mask) {
    throw Error(ErrorCode::kUsage, "generate", "there is nothing to make an image of",
                "give --caption TEXT, --mask FILE or --manifest FILE.jsonl");
  }
  return {source};
}

void refuse_used_folder(const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(folder, ignored) && !fs::is_directory(folder, ignored)) {
    throw Error(ErrorCode::kUsage, folder.string(), "is a file, not a folder",
                "choose another folder");
  }
  if (fs::exists(folder, ignored) && !fs::is_empty(folder, ignored)) {
    throw Error(ErrorCode::kUsage, folder.string(),
                fs::exists(folder / kManifestName, ignored) ? "already holds generated images"
                                                            : "is not empty",
                "choose a new folder with --output, or remove this one");
  }
}

at::Tensor mask_of(const Source& source, const PreprocessOptions& preprocess) {
  return source.mask ? read_mask_planes(*source.mask, preprocess, source.where) : at::Tensor();
}

/// What --init and --region say, at the size of the images to make.
struct Canvas {
  at::Tensor init = {};    ///< (C, H, W) in [-1, 1], or undefined
  at::Tensor region = {};  ///< (1, H, W) bool
};

Canvas canvas_of(const GenerateCommand& options, const RunConfig& config,
                 const PreprocessOptions& preprocess) {
  if (options.init.empty()) {
    return {};
  }
  const auto folder = config.file.parent_path();
  const auto image = read_image(find_input(options.init, folder));
  const auto levels = read_mask_levels(find_input(options.region, folder));
  if (levels.size(1) != image.height() || levels.size(2) != image.width()) {
    throw Error(ErrorCode::kData, "--region",
                concat({"is ", std::to_string(levels.size(2)), " x ",
                        std::to_string(levels.size(1)), " but --init is ",
                        std::to_string(image.width()), " x ", std::to_string(image.height())}),
                "both must have the same size");
  }
  const auto own = sized_for(preprocess, image.height(), image.width());
  return {preprocess_image(image, own), preprocess_region(levels, own, "--region")};
}

/// Every mask is read once before the first image is made, so that a bad one in the middle of a
/// manifest leaves nothing half done.
void check_masks(const std::vector<Source>& sources, const PreprocessOptions& preprocess) {
  for (const auto& source : sources) {
    mask_of(source, preprocess);
  }
}

Result result_of(const fs::path& folder, const std::vector<Json>& lines, std::int64_t wanted,
                 const fs::path& checkpoint) {
  Result result;
  const auto made = static_cast<std::int64_t>(lines.size());
  const auto manifest = folder / kManifestName;
  result.text = concat(
      {folder.string(), ": ", std::to_string(made), " images, ", kManifestName,
       " and contact_sheet.png",
       made < wanted ? concat({"; stopped by request, ", std::to_string(wanted), " were wanted"})
                     : ""});
  result.json = {{"folder", folder.string()},
                 {"manifest", manifest.string()},
                 {"images", made},
                 {"wanted", wanted},
                 {"contact_sheet", (folder / "contact_sheet.png").string()}};
  if (made < wanted) {
    result.next =
        "the same command with another --output; or keep these and give the rest "
        "another --seed";
    return result;
  }
  result.next = concat({"medaug augment --checkpoint ", shell_quoted(checkpoint.string()),
                        " --manifest TRAIN.jsonl --output ",
                        shell_quoted((folder.parent_path() / "augmented").string())});
  return result;
}

}  // namespace

int run(const Globals& globals, const GenerateCommand& options) {
  const auto config = sampling_config(globals, options.sampling);
  const auto& folder = config.run_folder;
  refuse_used_folder(folder);
  const auto sources = sources_of(options, config);
  auto generator = open_generator(config, options.sampling);
  const auto settings = settings_for(globals, options.sampling, config, generator);
  const auto preprocess = preprocess_for(generator.info(), settings);
  check_masks(sources, preprocess);
  const auto canvas = canvas_of(options, config, preprocess);
  const auto each = options.count.value_or(options.manifest.empty() ? config.inference.count : 1);
  BatchRun run;
  run.count = each * static_cast<std::int64_t>(sources.size());
  run.prepare = [&](std::int64_t i) {
    const auto& source = sources[static_cast<std::size_t>(i / each)];
    MadeImage made;
    made.number = i;
    made.request = {source.caption, mask_of(source, preprocess), config.inference.seed + i,
                    canvas.init, canvas.region};
    made.bit_depth = generator.bit_depth();
    made.fields = source.fields;
    return made;
  };
  Progress bar(
      {.label = "generating", .unit = "images", .total = run.count, .quiet = globals.quiet});
  run.on_progress = [&bar](std::int64_t done) { bar.update(done); };
  install_stop_signals();
  OutputWriter writer(folder, kManifestName, provenance_of(generator, settings, options.sampling),
                      preprocess);
  const auto lines = make_and_write(generator, settings, run, writer);
  bar.finish();
  write_contact_sheet(folder, lines, preprocess, "");
  print_result(globals, result_of(folder, lines, run.count, config.checkpoint));
  return std::cmp_less(lines.size(), run.count) ? exit_status(ErrorCode::kStopped) : 0;
}

}  // namespace medaug::cli
