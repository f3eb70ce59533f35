// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "evaluation/extractor.h"
#include "evaluation/table.h"

namespace medaug {

struct DistributionOptions {
  std::int64_t patch = 4;  ///< pixels, of the generating model: where seams would be
  std::uint64_t seed = 0;  ///< of subsets and halves
  Fit fit = Fit::kStretch;
};

/// How far a set of generated images is from a set of real ones, in each feature space and in
/// appearance, beside the same distances of real images among themselves (the floor). All images
/// are fitted to the size and the channels of the first generated one by the filter of the
/// training.
/// The floor compares `training` with the reference when it is given, otherwise random halves of
/// the reference (means over four cuts). A Fréchet distance falls with the number of images: look
/// at its extrapolation or at the kernel distance where the numbers differ.
/// @param training  images that the generator was trained on, or null
/// @return {"images": {...}, "spaces": [{"name", "sha256", "dimensions", "generated": {"fid",
///         "fid_infinity", "kid", "precision", "recall", "density", "coverage", "authpct"},
///         "floor": {...}}], "appearance": {...}}; numbers that need more images than there are,
///         are null
/// @throws Error kData for fewer than two images on either side
Json compare_sets(Table& generated, Table& reference, Table* training,
                  std::span<const std::unique_ptr<FeatureExtractor>> spaces,
                  const DistributionOptions& options, const OnProgress& on_progress = {});

/// AuthPct (feature_distance.h) of two tables in one feature space.
double authentic_percent(Table& training, Table& generated,
                         const std::unique_ptr<FeatureExtractor>& space, Fit fit,
                         const OnProgress& on_progress = {});

}  // namespace medaug
