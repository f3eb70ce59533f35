// SPDX-License-Identifier: MIT
#include "inference/batch_maker.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/stop.h"
#include "base/strings.h"
#include "config/concat.h"
#include "data/record_parser.h"

namespace medaug {

PreprocessOptions preprocess_for(const ModelInfo& info, const GenerateSettings& settings) {
  auto options = info.preprocess;
  if (settings.image_size > 0) {
    options.image_size = settings.image_size;
    options.image_width = settings.image_width;
  }
  try {
    validate_size(info.generator.dit, options.height(), options.width(), "image");
  } catch (const Error& e) {
    throw Error(ErrorCode::kInvalidArgument, "image size", e.message(), e.hint());
  }
  return options;
}

at::Tensor read_mask_planes(const std::filesystem::path& mask, const PreprocessOptions& options,
                            const std::string& where) {
  if (options.mask_classes == 0) {
    throw Error(ErrorCode::kInvalidArgument, where, "this model was trained without masks",
                "leave the mask out, or use a checkpoint that was trained with masks");
  }
  const auto file = printable(mask.string(), 400);
  try {
    return preprocess_mask(read_mask_levels(mask), options, file);
  } catch (const Error& e) {
    const auto classes = options.mask_classes;
    throw Error(e.code(), where,
                concat({"mask ", e.where().empty() ? file : e.where(), ": ", e.message()}),
                concat({"the checkpoint was trained with ", std::to_string(classes),
                        classes == 1 ? " mask class" : " mask classes",
                        e.hint().empty() ? "" : "; ", e.hint()}));
  }
}

Json passed_on_fields(const Record& record) {
  Json fields = Json::object();
  for (const auto& [key, value] : record.raw.items()) {
    const bool rewritten =
        key == "image_path" || key == "caption" || key == "mask_path" || key == "spacing_mm";
    if (!rewritten) {
      fields[key] = value;
    }
  }
  fields["source_line"] = record.line;
  return fields;
}

std::vector<Json> make_and_write(ImageGenerator& generator, const GenerateSettings& settings,
                                 const BatchRun& run, OutputWriter& writer) {
  std::vector<Json> lines;
  for (std::int64_t begin = 0; begin < run.count && !stop_requested(); begin += run.lanes) {
    std::vector<MadeImage> batch;
    std::vector<GenerateRequest> requests;
    for (auto i = begin; i < std::min(run.count, begin + run.lanes); ++i) {
      batch.push_back(run.prepare(i));
      requests.push_back(batch.back().request);
    }
    auto pixels = generator.generate(requests, settings);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      batch[i].pixels = std::move(pixels[i]);
      lines.push_back(writer.write(batch[i]));
    }
    if (run.on_progress) {
      run.on_progress(static_cast<std::int64_t>(lines.size()));
    }
  }
  return lines;
}

}  // namespace medaug
