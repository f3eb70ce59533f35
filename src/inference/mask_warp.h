// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/fields.h"
#include "base/random.h"

// New masks from given ones, for images that no original has. All classes of a mask move together.

namespace medaug {

enum class MaskTransform {
  kNone,
  kAffine,   ///< turned by up to 20 degrees, scaled by up to 1.25, shifted by up to a tenth
  kElastic,  ///< bent by a smooth random field of about 4 % of the side
  kMove,     ///< shifted as it is to where another record's lesion lies, wholly inside the image
};
template <>
struct EnumNames<MaskTransform> {
  static constexpr std::pair<MaskTransform, std::string_view> kNames[] = {
      {MaskTransform::kNone, "none"},
      {MaskTransform::kAffine, "affine"},
      {MaskTransform::kElastic, "elastic"},
      {MaskTransform::kMove, "move"}};
};

/// Centre of mass of all classes, in [0, 1] from left to right and from top to bottom.
struct MaskCenter {
  double x = 0.5;
  double y = 0.5;
};

/// None for an empty mask. @param planes  (K, H, W) in [0, 1]
std::optional<MaskCenter> center_of(const at::Tensor& planes);

/// @param planes  (K, H, W) float32 in [0, 1]
/// @param places  centres of the data set's masks; what kMove chooses from
/// @return        the same shape; no class keeps less than 40 % of its area (weaker draws are
/// tried,
///                then the mask stays as it is)
at::Tensor warp_mask(const at::Tensor& planes, MaskTransform transform,
                     std::span<const MaskCenter> places, RandomStream stream);

/// The caption of a mask that was changed: the nine places of text/describe_mask.h, its size and
/// shape words and "12% of the ..." are put right where they told of the old mask. Other words
/// stay, sides of the body too: they are anatomy and not a place in the picture.
/// @param before, after  (K, H, W) in [0, 1]
std::string warp_caption(const std::string& caption, const at::Tensor& before,
                         const at::Tensor& after);

}  // namespace medaug
