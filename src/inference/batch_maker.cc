// SPDX-License-Identifier: MIT
#include "inference/batch_maker.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/stop.h"
#include "base/strings.h"
#include "config/concat.h"
#include "data/buckets.h"
#include "data/record_parser.h"

namespace medaug {

PreprocessOptions preprocess_for(const ModelInfo& info, const GenerateSettings& settings) {
  auto options = info.preprocess;
  if (settings.image_size > 0) {
    options.image_size = settings.image_size;
    options.image_width = settings.image_width;
    options.buckets = false;
  }
  try {
    validate_size(info.generator, options.height(), options.width(), "image");
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
    const auto levels = read_mask_levels(mask);
    return preprocess_mask(levels, sized_for(options, levels.size(1), levels.size(2)), file);
  } catch (const Error& e) {
    const auto classes = options.mask_classes;
    throw Error(e.code(), where,
                concat({"mask ", e.where().empty() ? file : e.where(), ": ", e.message()}),
                concat({"the checkpoint was trained with ", std::to_string(classes),
                        classes == 1 ? " mask class" : " mask classes",
                        e.hint().empty() ? "" : "; ", e.hint()}));
  }
}

Json passed_on_fields(const Record& record, const std::string& source_hash) {
  Json fields = Json::object();
  for (const auto& [key, value] : record.raw.items()) {
    const bool rewritten =
        key == "image_path" || key == "caption" || key == "mask_path" || key == "spacing_mm";
    if (!rewritten) {
      fields[key] = value;
    }
  }
  fields["source_line"] = record.line;
  fields["source_hash"] = source_hash;
  return fields;
}

namespace {

void generate_into(ImageGenerator& generator, const GenerateSettings& settings,
                   std::vector<MadeImage>& images) {
  std::vector<GenerateRequest> requests;
  for (const auto& image : images) {
    requests.push_back(image.request);
  }
  auto pixels = generator.generate(requests, settings);
  for (std::size_t i = 0; i < images.size(); ++i) {
    images[i].pixels = std::move(pixels[i]);
  }
}

/// One image that a gate refused.
struct Refused {
  MadeImage image;
  std::string rule;
};

/// Takes the images that the gate lets through out of `images` and sets the others' next seeds.
std::vector<MadeImage> let_through(const GateRun& gating, std::vector<MadeImage>& images,
                                   std::int64_t attempt, std::vector<Refused>& refused) {
  const auto rules = gating.gate->judge(images);
  std::vector<MadeImage> good, again;
  for (std::size_t i = 0; i < images.size(); ++i) {
    auto& image = images[i];
    image.fields["attempt"] = attempt;
    if (rules[i].empty()) {
      good.push_back(std::move(image));
      continue;
    }
    refused.push_back({image, rules[i]});
    image.request.seed += gating.seed_step;
    again.push_back(std::move(image));
  }
  images = std::move(again);
  return good;
}

/// The images of one batch that are kept, in the order of their numbers.
std::vector<MadeImage> make_batch(ImageGenerator& generator, const GenerateSettings& settings,
                                  const GateRun& gating, std::vector<MadeImage> images) {
  if (gating.gate == nullptr) {
    generate_into(generator, settings, images);
    return images;
  }
  std::vector<MadeImage> kept;
  std::vector<Refused> refused;
  for (std::int64_t attempt = 0; attempt <= gating.retries && !images.empty(); ++attempt) {
    generate_into(generator, settings, images);
    auto good = let_through(gating, images, attempt, refused);
    std::move(good.begin(), good.end(), std::back_inserter(kept));
  }
  // By number, so that the order does not tell where a batch began.
  std::stable_sort(refused.begin(), refused.end(), [](const Refused& a, const Refused& b) {
    return a.image.number < b.image.number;
  });
  for (const auto& [image, rule] : refused) {
    gating.on_refused(image, rule);
  }
  std::sort(kept.begin(), kept.end(),
            [](const MadeImage& a, const MadeImage& b) { return a.number < b.number; });
  return kept;
}

}  // namespace

std::vector<Json> make_and_write(ImageGenerator& generator, const GenerateSettings& settings,
                                 const BatchRun& run, OutputWriter& writer) {
  std::vector<Json> lines;
  for (std::int64_t begin = 0; begin < run.count && !stop_requested(); begin += run.lanes) {
    const auto end = std::min(run.count, begin + run.lanes);
    std::vector<MadeImage> batch;
    for (auto i = begin; i < end; ++i) {
      batch.push_back(run.prepare(i));
    }
    for (const auto& made : make_batch(generator, settings, run.gating, std::move(batch))) {
      lines.push_back(writer.write(made));
    }
    if (run.on_progress) {
      run.on_progress(end);
    }
  }
  return lines;
}

}  // namespace medaug
