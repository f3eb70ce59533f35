// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "evaluation/segmenter.h"
#include "evaluation/table.h"

namespace medaug {

/// What a segmenter finds in the generated images against the masks that they were asked for: Dice
/// overall, of each class and of each tercile of the masks' area, with bootstrap intervals; beside
/// it what the segmenter reaches on real images (the ceiling), and what is left when each image is
/// held against the mask of another one (the null).
/// The Dice of an image is the mean over the classes that its mask has; an image whose mask is
/// empty has none.
/// Columns: dice, iou, hd95_pixels, assd_pixels (hd95_mm, assd_mm): all classes taken together;
/// mean_dice: the mean over the classes; dice_CLASS when there are several; mask_share.
/// @param generated  images without a mask do not count
/// @param reference  real images with masks that the segmenter was not trained on; null = no
/// ceiling
/// @return           {"generated": {...}, "null": {...}, "ceiling": {...}, "over_ceiling": r,
///                   "null_over_ceiling": r, "outlines": {...}, "segmenter": {...}}
/// @throws Error kData when no generated image has a mask
Json segmenter_agreement(const Segmenter& segmenter, Table& generated, Table* reference,
                         std::uint64_t seed, const OnProgress& on_progress = {});

}  // namespace medaug
