// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>
#include <utility>

#include "base/fields.h"
#include "image/image.h"

namespace medaug {

/// Rules that take a part of a picture for the lesion by its colour. They know no anatomy: what
/// they agree with is a colour. The honest measure is a trained segmenter (evaluation/segmenter.h).
enum class ColourRule {
  kRed,         ///< red minus the mean of green and blue: vessels, haemorrhages, erythema
  kSaturation,  ///< HSV saturation: stained or pigmented parts
  kBrightness,  ///< luma: bright lesions on a dark background
  kDarkness,    ///< the same the other way round: pigmented lesions on skin
};
template <>
struct EnumNames<ColourRule> {
  static constexpr std::pair<ColourRule, std::string_view> kNames[] = {
      {ColourRule::kRed, "red"},
      {ColourRule::kSaturation, "saturation"},
      {ColourRule::kBrightness, "brightness"},
      {ColourRule::kDarkness, "darkness"}};
};

struct ColourMask {
  at::Tensor mask;         ///< (H, W) bool
  double threshold = 0.0;  ///< of the measure, in [0, 1]
};

/// Threshold by Otsu's method (IEEE SMC 9, 1979) on 256 bins between the image's least and largest
/// value: the edge behind the last bin of the lower class (scikit-image gives that bin's middle). A
/// constant image has an empty mask.
/// @throws Error kData for `red` or `saturation` of a grey image
ColourMask colour_mask(const Image& image, ColourRule rule);

}  // namespace medaug
