// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fields.h"
#include "evaluation/colour_mask.h"
#include "evaluation/segmenter.h"
#include "image/image.h"

// Pictures of single images, small enough to stand inside the report.

namespace medaug {

/// What finds a region in an image, to be drawn beside the mask that was asked for.
struct RegionFinder {
  const Segmenter* segmenter = nullptr;  ///< first choice
  std::optional<ColourRule> rule;        ///< where there is no segmenter
};

struct Picture {
  std::string kind;  ///< key of its text: "picture.generated"
  Image image;       ///< 8 bits, grey or RGB
};

/// Image, reference, the mask asked for and the region found drawn over the image, absolute
/// difference to the reference, nearest training image: those that the row names and whose files
/// can be read.
/// @param row   of "images" of an evaluation
/// @param side  pixels of the longer side at most; smaller pictures stay as they are
std::vector<Picture> pictures_of(const Json& row, const RegionFinder& finder, std::int64_t side);

/// The picture with a longer side of at most `side`, by averaging.
Image shrunk(const Image& image, std::int64_t side);

/// "data:image/png;base64,..."
std::string data_uri(const Image& image);

}  // namespace medaug
