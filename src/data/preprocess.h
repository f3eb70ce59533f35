// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/fields.h"
#include "image/image.h"

namespace medaug {

enum class Fit { kStretch, kCrop, kPad };
template <>
struct EnumNames<Fit> {
  static constexpr std::pair<Fit, std::string_view> kNames[] = {
      {Fit::kStretch, "stretch"}, {Fit::kCrop, "crop"}, {Fit::kPad, "pad"}};
};

/// Pixels of a picture.
struct PictureSize {
  std::int64_t height = 0;
  std::int64_t width = 0;

  friend bool operator==(const PictureSize&, const PictureSize&) = default;
};

/// How a picture and its mask become tensors. Part of every checkpoint: train, generate, serve and
/// evaluate call `preprocess_image` and `preprocess_mask` with the same options.
struct PreprocessOptions {
  std::int64_t image_size = 64;  ///< height, pixels
  std::int64_t image_width = 0;  ///< width, pixels; 0 = square
  std::int64_t channels = 0;     ///< 1 or 3; 0 = as the training images are
  std::int64_t bit_depth = 0;    ///< 8 or 16, of generated files; 0 = as the training images are
  Fit fit = Fit::kStretch;
  bool buckets =
      false;  ///< each picture at the size of data/buckets.h that is nearest to its shape
  std::int64_t bucket_choices = 1;       ///< nearest sizes among which a picture's name draws one
  std::int64_t mask_classes = 1;         ///< K planes; background has none
  std::vector<std::string> class_names;  ///< K names, or empty
  std::vector<std::int64_t>
      mask_labels;  ///< stored label of each plane; empty = 1..K, or 255 too when K = 1
  std::vector<std::string> mask_colors;  ///< "#rrggbb" of each plane, for RGB masks

  std::int64_t height() const { return image_size; }
  std::int64_t width() const { return image_width > 0 ? image_width : image_size; }
};

template <class Visitor>
void describe(Visitor& visit, PreprocessOptions& o) {
  visit(Field{.name = "image_size",
              .help = "height in pixels (and width, unless image_width is set)",
              .min = 8,
              .max = 8192},
        o.image_size);
  visit(Field{.name = "image_width", .help = "width in pixels; 0 = square", .min = 0, .max = 8192},
        o.image_width);
  visit(
      Field{
          .name = "channels", .help = "1 or 3; 0 = as the training images are", .min = 0, .max = 3},
      o.channels);
  visit(Field{.name = "bit_depth",
              .help = "8 or 16, of generated files; 0 = as the training images are",
              .min = 0,
              .max = 16},
        o.bit_depth);
  visit(Field{.name = "fit", .help = "how a picture of another shape is fitted"}, o.fit);
  visit(Field{.name = "buckets",
              .help = "pictures keep their shape: each gets the nearest size of about image_size x "
                      "image_size pixels, sides multiples of 16"},
        o.buckets);
  visit(Field{.name = "bucket_choices",
              .help = "with buckets, a picture of the data goes to one of this many nearest sizes, "
                      "always to the same (Lumina-Next draws among 4)",
              .min = 1,
              .max = 16},
        o.bucket_choices);
  visit(Field{.name = "mask_classes",
              .help = "number of mask classes K, background not counted",
              .min = 0,
              .max = 254},
        o.mask_classes);
  visit(Field{.name = "class_names", .help = "names of the mask classes"}, o.class_names);
  visit(Field{.name = "mask_labels",
              .help = "stored label of each class; empty = 1..K (and 255 when K is 1)"},
        o.mask_labels);
  visit(Field{.name = "mask_colors", .help = "#rrggbb of each class, for masks painted in colours"},
        o.mask_colors);
}

/// (C, H, W) float32 in [-1, 1] at the options' size: crop, pad or stretch, antialiased bicubic
/// (within one grey level of Pillow's), grey averaged or repeated to the wanted channels (ITU-R 601
/// luma for colour to grey, as Pillow).
at::Tensor preprocess_image(const Image& image, const PreprocessOptions& options);

/// (K, H, W) float32 in [0, 1]: one plane per class, area-averaged, so that a small lesion does not
/// vanish.
/// @param levels  as `read_mask_levels` gives it
/// @throws Error kData naming the first pixel whose label or colour is not in the options
at::Tensor preprocess_mask(const at::Tensor& levels, const PreprocessOptions& options,
                           const std::string& where);

}  // namespace medaug
