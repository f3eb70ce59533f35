// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace medaug {

/// One class plane of a mask, row by row; a pixel that is not 0 belongs to the structure.
struct MaskPlane {
  std::span<const std::uint8_t> pixels;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

struct MaskMeasures {
  double area_share = 0.0;  ///< of the image, in [0, 1]
  double center_x = 0.5;    ///< of mass, in [0, 1] from left to right
  double center_y = 0.5;    ///< from top to bottom
  double axis_ratio =
      1.0;  ///< short over long axis of the ellipse with the same second moments, in (0, 1]
  double ellipse_fill = 1.0;  ///< area over that of this ellipse; well below 1 for ragged outlines
  std::int64_t parts = 0;     ///< pieces that do not touch, also not by corners
};

/// @throws Error kInvalidArgument when `pixels` has not height x width values
MaskMeasures measure_mask(const MaskPlane& plane);

/// "the upper left of the image", "the centre of the image": nine places, the words of our captions
/// and the ones that a flip knows how to change. They are places in the image, not sides of the
/// patient.
std::string place_words(double center_x, double center_y);

/// "small", "medium-sized" or "large". @param area_share  of one part, in [0, 1]
std::string size_word(double area_share);

/// "round", "oval", "elongated" or "irregular".
std::string shape_word(const MaskMeasures& measures);

/// A caption from a mask alone: "a small oval lesion in the upper left of the image", "3 small
/// lesions", "no lesion".
/// @param structure  what the class is called
std::string describe_mask(const MaskPlane& plane, std::string_view structure = "lesion");

}  // namespace medaug
