// SPDX-License-Identifier: MIT
#include "app/jobs/model_host.h"

#include <ATen/ATen.h>

#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "data/class_info.h"
#include "data/region.h"
#include "evaluation/mask_agreement.h"
#include "text/caption.h"

namespace medaug::app {
namespace {

constexpr DecodeLimits kUploadLimits{.max_pixels = 4096 * 4096, .max_file_bytes = 64LL << 20};

/// Runs what reads a field; its complaint becomes the answer's.
template <class Read>
auto field(const char* name, const Read& read) {
  try {
    return read();
  } catch (const Error& e) {
    throw HttpError({400, "invalid_request", e.message(), name, e.hint()});
  }
}

}  // namespace

NearestTraining::NearestTraining(const std::filesystem::path& training,
                                 const std::filesystem::path& held_out, Fit fit)
    : source_(read_source(training, "train")) {
  const auto real = read_source(held_out, "val");
  Table rows(source_), held_out_rows(real);
  detector_ = std::make_unique<const CopyDetector>(rows, held_out_rows, fit);
  for (const auto& row : rows.rows()) {
    files_.push_back(row.item.generated);
  }
}

std::vector<NearestTraining::Found> NearestTraining::find(const std::vector<Image>& images) const {
  std::vector<at::Tensor> pictures;
  for (const auto& image : images) {
    pictures.push_back(preprocess_image(image, detector_->preprocess()));
  }
  std::vector<Found> found;
  for (const auto& match : detector_->nearest(at::stack(pictures))) {
    found.push_back({match.score, detector_->is_copy(match),
                     read_image(files_.at(static_cast<std::size_t>(match.training)))});
  }
  return found;
}

HostedModel::HostedModel(const ModelSources& sources)
    : generator_(sources.checkpoint, sources.generator),
      lanes_(sources.generator.lanes),
      version_(sources.version),
      precision_(sources.precision) {
  if (!sources.segmenter.empty()) {
    segmenter_ = std::make_shared<const Segmenter>(Segmenter::load(sources.segmenter));
    const auto known = segmenter_->info().preprocess.mask_classes;
    if (known != info().preprocess.mask_classes) {
      throw Error(ErrorCode::kCheckpoint, "--segmenter",
                  "knows " + std::to_string(known) + " mask classes, the generator " +
                      std::to_string(info().preprocess.mask_classes),
                  "train one with the config of the generator: medaug segmenter train");
    }
  }
}

Prepared HostedModel::prepare(const JobRequest& request) const {
  Prepared prepared;
  auto& settings = prepared.settings;
  settings.sampler = request.sampler;
  settings.guidance = request.guidance;
  settings.image_size = request.height;
  settings.image_width = request.width;
  settings.negative_caption = field("negative_prompt", [&] {
    return normalize_caption(request.negative_prompt, "negative_prompt",
                             ErrorCode::kInvalidArgument);
  });
  const auto preprocess = field("size", [&] { return preprocess_for(info(), settings); });
  auto& one = prepared.request;
  one.seed = request.seed;
  one.caption = field("prompt", [&] {
    return normalize_caption(request.prompt, "prompt", ErrorCode::kInvalidArgument);
  });
  if (!request.mask_png.empty()) {
    if (preprocess.mask_classes == 0) {
      throw HttpError({400, "invalid_request", "this model was trained without masks", "mask",
                       "leave the mask out"});
    }
    one.mask = field("mask", [&] {
      return preprocess_mask(decode_mask_levels(request.mask_png, "mask", kUploadLimits),
                             preprocess, "mask");
    });
  }
  if (!request.init_image.empty()) {
    one.init = field("image", [&] {
      return preprocess_image(decode_image(request.init_image, "image", kUploadLimits), preprocess);
    });
    one.region = field("region", [&] {
      return preprocess_region(decode_mask_levels(request.region_png, "region", kUploadLimits),
                               preprocess, "region");
    });
  }
  return prepared;
}

Json HostedModel::agreement(const Image& image, const at::Tensor& mask) const {
  if (!segmenter_ || !mask.defined()) {
    return nullptr;
  }
  const auto& own = segmenter_->info().preprocess;
  const auto wanted =
      preprocess_mask(label_map(mask, info().preprocess).pixels.to(at::kInt), own, "mask").ge(0.5);
  const auto found =
      segmenter_->probabilities(preprocess_image(image, own).unsqueeze(0)).squeeze(0).ge(0.5);
  Json classes = Json::array();
  for (std::int64_t k = 0; k < own.mask_classes; ++k) {
    const auto one = overlap(found[k], wanted[k]);
    classes.push_back({{"name", class_name(info().preprocess, k)},
                       {"dice", number_or_null(one.dice())},
                       {"iou", number_or_null(one.iou())}});
  }
  const auto all = overlap(std::get<0>(found.max(0)), std::get<0>(wanted.max(0)));
  return {{"dice", number_or_null(all.dice())},
          {"iou", number_or_null(all.iou())},
          {"classes", classes}};
}

Made HostedModel::finish(const at::Tensor& pixels, const GenerateRequest& request,
                         const GenerateSettings& settings, const NearestTraining* nearest) const {
  const auto image = stored_form(pixels, 0, generator_.bit_depth());
  const Provenance provenance{version_, sha256(), settings, precision_};
  Made made;
  made.about.seed = request.seed;
  made.png = encode_png(image, png_text_of(provenance, request, info().preprocess));
  made.about.agreement = agreement(image, request.mask);
  if (nearest != nullptr) {
    const auto found = nearest->find({image}).front();
    made.about.nearest = {{"score", found.score}, {"copy", found.copy}};
    made.nearest_png = encode_png(found.picture);
  }
  return made;
}

ModelHost::ModelHost(ModelSources sources)
    : sources_(std::move(sources)), model_(std::make_shared<HostedModel>(sources_)) {}

std::shared_ptr<HostedModel> ModelHost::current() const {
  const std::lock_guard lock(mutex_);
  return model_;
}

void ModelHost::reload() {
  const std::lock_guard one_at_a_time(reloading_);
  auto fresh = std::make_shared<HostedModel>(sources_);
  const std::lock_guard lock(mutex_);
  model_ = std::move(fresh);
}

void ModelHost::load_nearest() {
  try {
    auto index = std::make_shared<const NearestTraining>(sources_.training, sources_.held_out,
                                                         current()->info().preprocess.fit);
    const std::lock_guard lock(mutex_);
    nearest_ = std::move(index);
  } catch (const std::exception& e) {
    log_warning(std::string("nearest training images are not available: ") + e.what());
    const auto* const known = dynamic_cast<const Error*>(&e);
    const std::lock_guard lock(mutex_);
    nearest_problem_ = known != nullptr ? known->message() : "a fault; the log has more";
  }
}

std::string ModelHost::nearest_problem() const {
  const std::lock_guard lock(mutex_);
  return nearest_problem_;
}

std::shared_ptr<const NearestTraining> ModelHost::nearest() const {
  const std::lock_guard lock(mutex_);
  return nearest_;
}

}  // namespace medaug::app
