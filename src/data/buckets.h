// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
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

/// Those whose shape is nearest to that of a picture (it loses least to them), the nearest first,
/// of two that are as near the wider one first: Lumina-Next's order. All when there are fewer.
std::vector<PictureSize> nearest_buckets(std::int64_t side, std::int64_t height, std::int64_t width,
                                         std::int64_t count);

/// The options for a picture of this size: with `buckets` those of the nearest bucket, without them
/// as they are.
/// @param name  of the picture's file: draws one of the `bucket_choices` nearest, the same on every
/// machine; empty = the nearest
PreprocessOptions sized_for(const PreprocessOptions& options, std::int64_t height,
                            std::int64_t width, const std::string& name = {});

}  // namespace medaug
