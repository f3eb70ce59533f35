// SPDX-License-Identifier: MIT
#include "evaluation/gate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/error.h"
#include "config/concat.h"
#include "evaluation/agreement.h"
#include "evaluation/feature_distance.h"
#include "evaluation/statistics.h"

namespace medaug {
namespace {

using at::Tensor;

/// What the limits are made from.
struct RealImages {
  Tensor features;                        ///< (N, D)
  std::vector<double> means, deviations;  ///< of the values in [-1, 1]
};

RealImages look_at(Table& table, const GateSources& sources, const OnProgress& on_progress) {
  RealImages real;
  std::vector<Tensor> features;
  table.stream(
      [&](const EvaluationItem& item) -> Pictures {
        return {preprocess_image(read_image(item.generated), sources.preprocess), {}};
      },
      [&](const Tensor& images, const Tensor&) {
        features.push_back(sources.space->features(images).to(at::kDouble));
        for (const auto& image : images.unbind()) {
          real.means.push_back(image.mean().item<double>());
          real.deviations.push_back(image.std().item<double>());
        }
      },
      on_progress);
  real.features = at::cat(features);
  return real;
}

/// The range of a quantity in real images, a tenth wider at either end.
std::pair<double, double> range_of(const std::vector<double>& values, double q) {
  const double low = quantile(values, q), high = quantile(values, 1.0 - q);
  const double margin = 0.1 * (high - low);
  return {low - margin, high + margin};
}

void check(const GateSources& sources) {
  if (sources.segmenter &&
      sources.segmenter->info().preprocess.mask_classes != sources.preprocess.mask_classes) {
    throw Error(
        ErrorCode::kData, "--segmenter",
        concat({"knows ", std::to_string(sources.segmenter->info().preprocess.mask_classes),
                " mask classes, the generator ", std::to_string(sources.preprocess.mask_classes)}),
        "train a segmenter with the config of the generator: medaug segmenter train --config FILE");
  }
}

}  // namespace

QualityGate::QualityGate(GateSources sources, const GateOptions& options,
                         const OnProgress& on_progress)
    : sources_(std::move(sources)) {
  check(sources_);
  Table training(*sources_.training), held_out(*sources_.held_out);
  copies_ = std::make_unique<const CopyDetector>(training, held_out, sources_.preprocess.fit,
                                                 on_progress);
  training_features_ = look_at(training, sources_, on_progress).features;
  const auto real = look_at(held_out, sources_, on_progress);
  std::tie(limits_.mean_low, limits_.mean_high) = range_of(real.means, options.intensity_quantile);
  std::tie(limits_.deviation_low, limits_.deviation_high) =
      range_of(real.deviations, options.intensity_quantile);
  const auto distances = nearest_rows(real.features, training_features_).distance;
  limits_.distance = quantile(distances, options.distance_quantile);
  plan_ = {{"training_images", training.size()},
           {"held_out_images", held_out.size()},
           {"mean", {limits_.mean_low, limits_.mean_high}},
           {"deviation", {limits_.deviation_low, limits_.deviation_high}},
           {"space", sources_.space->name()},
           {"space_sha256", sources_.space->hash()},
           {"largest_distance", limits_.distance},
           {"largest_copy_score", copies_->plan()["threshold"]}};
  if (sources_.segmenter) {
    if (options.least_dice) {
      limits_.dice = *options.least_dice;
    } else {
      segmenter_agreement(*sources_.segmenter, held_out, nullptr, 0);
      const auto dice = held_out.column("mean_dice");
      if (dice.empty()) {
        throw Error(ErrorCode::kData, "--reference",
                    "no held-out image has a mask with a lesion: they set no limit of agreement",
                    "give images with masks, or the limit itself: --least-dice");
      }
      limits_.dice = quantile(dice, options.dice_quantile);
    }
    plan_["least_dice"] = limits_.dice;
    plan_["segmenter_sha256"] = sources_.segmenter->hash();
  }
}

/// (N), NaN where no mask was asked for or it is empty.
Tensor QualityGate::dice_of(const std::vector<MadeImage>& images) const {
  const auto& own = sources_.segmenter->info().preprocess;
  std::vector<Tensor> pictures, masks;
  for (const auto& image : images) {
    // As from the files, so that the gate and a later evaluation agree.
    pictures.push_back(
        preprocess_image(stored_form(image.pixels, image.channels, image.bit_depth), own));
    const auto& mask = image.request.mask;
    masks.push_back(
        mask.defined()
            ? preprocess_mask(label_map(mask, sources_.preprocess).pixels.to(at::kInt), own, "mask")
            : at::zeros({own.mask_classes, own.height(), own.width()}));
  }
  return class_dice(sources_.segmenter->probabilities(at::stack(pictures)), at::stack(masks))
      .nanmean(1);
}

std::vector<std::string> QualityGate::judge(std::vector<MadeImage>& images) {
  std::vector<Tensor> pictures;
  for (const auto& image : images) {
    pictures.push_back(preprocess_image(stored_form(image.pixels, image.channels, image.bit_depth),
                                        sources_.preprocess));
  }
  const auto distances = nearest_rows(sources_.space->features(at::stack(pictures)).to(at::kDouble),
                                      training_features_)
                             .distance;
  const auto dice = sources_.segmenter ? dice_of(images) : Tensor();
  std::vector<std::string> rules(images.size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    const double mean = pictures[i].mean().item<double>();
    const double deviation = pictures[i].std().item<double>();
    const double agrees =
        dice.defined() ? dice[static_cast<std::int64_t>(i)].item<double>() : std::nan("");
    images[i].fields["gate"] = {{"dice", number_or_null(agrees)},
                                {"mean", number_or_null(mean)},
                                {"deviation", number_or_null(deviation)},
                                {"distance", number_or_null(distances[i])}};
    const auto outside = [](double value, double low, double high) {
      return !(value >= low && value <= high);  // not a number is outside
    };
    if (agrees < limits_.dice) {
      rules[i] = "mask agreement";
    } else if (outside(mean, limits_.mean_low, limits_.mean_high) ||
               outside(deviation, limits_.deviation_low, limits_.deviation_high)) {
      rules[i] = "intensity";
    } else if (outside(distances[i], 0.0, limits_.distance)) {
      rules[i] = "outlier";
    }
  }
  refuse_copies(images, rules);
  return rules;
}

void QualityGate::refuse_copies(std::vector<MadeImage>& images,
                                std::vector<std::string>& rules) const {
  std::vector<std::size_t> left;
  std::vector<Tensor> pictures;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (rules[i].empty()) {
      const auto& image = images[i];
      left.push_back(i);
      pictures.push_back(preprocess_image(
          stored_form(image.pixels, image.channels, image.bit_depth), copies_->preprocess()));
    }
  }
  if (left.empty()) {
    return;
  }
  const auto matches = copies_->nearest(at::stack(pictures));
  for (std::size_t k = 0; k < left.size(); ++k) {
    images[left[k]].fields["gate"]["copy_score"] = matches[k].score;
    if (copies_->is_copy(matches[k])) {
      rules[left[k]] = "copy";
    }
  }
}

}  // namespace medaug
