// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "data/preprocess.h"

namespace medaug {

/// Pixels that the sides of buckets are multiples of: Lumina-Next's patch of two latents of eight.
inline constexpr std::int64_t kBucketUnit = 16;

/// Sizes of about side x side pixels, as Lumina-Next makes them: both sides are multiples of 16,
/// none has more than (side / 16)^2 squares of 16 x 16, none is more than four times as long as
/// wide. From the widest to the tallest: 49 of them for 256, 97 for 512, 193 for 1024.
/// @param side  pixels, at least 16
std::vector<PictureSize> aspect_ratio_buckets(std::int64_t side);

/// The options for a picture of this size: with `buckets` those of the bucket of the nearest shape
/// (the one that a picture of height x width loses least to), without them as they are.
PreprocessOptions sized_for(const PreprocessOptions& options, std::int64_t height,
                            std::int64_t width);

}  // namespace medaug
