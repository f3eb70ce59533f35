// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "image/image.h"

// Pictures for people to look at: masks drawn over images, grids of images with captions.

namespace medaug {

/// Colour of mask class k (0 = the first): distinct also for colour-blind readers (Okabe and Ito),
/// repeating after 7.
std::array<std::uint8_t, 3> class_color(std::int64_t k);

/// 8-bit RGB for the screen. 16-bit pictures are spread over their own range, for they seldom use
/// all of it.
Image to_display(const Image& image);

struct OverlayOptions {
  double tint = 0.25;   ///< share of the class colour inside the mask, 0..1
  bool outline = true;  ///< a line of one pixel around each class
};

/// @param planes  (K, H, W) of any type, in [0, 1]; a pixel belongs to a class from 0.5 on
/// @return        8-bit RGB of the image's size
/// @throws Error  kInvalidArgument when the sizes differ
Image overlay_mask(const Image& image, const at::Tensor& planes,
                   const OverlayOptions& options = {});

struct SheetCell {
  Image image;
  std::string
      caption;  ///< below the picture, wrapped to three lines; letters outside ASCII become '?'
};

struct SheetOptions {
  std::int64_t columns = 4;
  std::int64_t cell_size =
      160;  ///< pictures are scaled by a whole factor up to about this size; larger ones shrink
  std::string title = "";
};

/// A grid of pictures, row by row, on a dark ground. 8-bit RGB. @throws Error kInvalidArgument
/// without any cell
Image contact_sheet(const std::vector<SheetCell>& cells, const SheetOptions& options = {});

}  // namespace medaug
