// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "base/fields.h"
#include "base/random.h"

namespace medaug {

/// Training-time augmentation of image and mask together. Non-leaky (Karras et al. 2022, EDM,
/// appendix F): the model is told what was done through an augment vector and sampling sends zeros.
struct AugmentOptions {
  bool horizontal_flip = false;  ///< only where left and right mean the same; place words of the
                                 ///< caption are swapped too
  bool vertical_flip = false;
  double probability = 0.5;  ///< of each of the continuous changes below, per sample
  double rotation_deg = 0.0;
  double scale = 0.0;       ///< log-uniform in [1/(1+scale), 1+scale]
  double shift = 0.0;       ///< share of the side
  double brightness = 0.0;  ///< added, in the [-1, 1] range
  double contrast = 0.0;    ///< factor 1 +- contrast
};

template <class Visitor>
void describe(Visitor& visit, AugmentOptions& o) {
  visit(Field{.name = "horizontal_flip",
              .help = "mirror left and right; captions' place words change with it"},
        o.horizontal_flip);
  visit(Field{.name = "vertical_flip",
              .help = "mirror top and bottom; captions' place words change with it"},
        o.vertical_flip);
  visit(Field{.name = "probability",
              .help = "chance of the changes below, per sample",
              .min = 0,
              .max = 1},
        o.probability);
  visit(Field{.name = "rotation_deg", .help = "largest rotation, degrees", .min = 0, .max = 180},
        o.rotation_deg);
  visit(Field{.name = "scale", .help = "largest zoom, share", .min = 0, .max = 1}, o.scale);
  visit(Field{.name = "shift", .help = "largest shift, share of the side", .min = 0, .max = 0.5},
        o.shift);
  visit(Field{.name = "brightness",
              .help = "largest brightness change, on the [-1, 1] range",
              .min = 0,
              .max = 1},
        o.brightness);
  visit(Field{.name = "contrast", .help = "largest contrast change, share", .min = 0, .max = 0.9},
        o.contrast);
}

/// Length of the augment vector the model is given; all zeros = nothing was done. Flips are not in
/// it (they are symmetries of the data where they are allowed).
inline constexpr std::int64_t kAugmentFeatures = 8;

struct AugmentedSample {
  at::Tensor image;  ///< (C, H, W)
  at::Tensor mask;   ///< (K, H, W), in [0, 1]
  std::string caption;
  at::Tensor features;  ///< (kAugmentFeatures) float32
};

/// Applies one random draw to image, mask and caption alike. Bicubic for the image, bilinear for
/// the mask planes, borders reflected. A flip of a caption that names places it cannot mirror is
/// not done.
AugmentedSample augment_pair(const at::Tensor& image, const at::Tensor& mask,
                             const std::string& caption, const AugmentOptions& options,
                             RandomStream stream);

/// The caption after a flip ("upper left" -> "upper right"), in English and Chinese; none when it
/// cannot be mirrored safely (for example "left ventricle", "left breast").
std::optional<std::string> flip_caption(const std::string& caption, bool horizontal, bool vertical);

}  // namespace medaug
