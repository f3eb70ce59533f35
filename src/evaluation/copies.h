// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "evaluation/copy_index.h"
#include "evaluation/extractor.h"
#include "evaluation/table.h"

namespace medaug {

/// Tells copies of training images from images that are merely alike. How alike is too alike is
/// learnt from real held-out images: the limit is the score that at most one in a hundred of them
/// goes beyond.
class CopyDetector {
 public:
  static constexpr std::int64_t kLeastHeldOut = 10;

  /// @param held_out  real images that are not among the training images
  /// @throws Error kData for fewer than ten held-out images, or when more than one in a hundred
  /// of them is a training image
  CopyDetector(Table& training, Table& held_out, Fit fit = Fit::kStretch,
               const OnProgress& on_progress = {});

  /// @param images (N, 1, 64, 64), prepared by `preprocess()`
  std::vector<CopyMatch> nearest(const at::Tensor& images,
                                 const OnProgress& on_progress = {}) const;
  bool is_copy(const CopyMatch& match) const { return match.score > threshold_; }

  /// Changed training images put to the test: {"n", "found", "sensitivity", "sensitivity_ci95",
  /// "by_kind"}. Found is one that is flagged, whichever training image it is taken for.
  Json try_planted(std::int64_t count, std::uint64_t seed) const;

  const PreprocessOptions& preprocess() const { return preprocess_; }
  /// {"training_images", "held_out_images", "threshold", "false_alarms", "expected_share"}: the
  /// share of held-out images beyond the limit that they set, and that of further ones to be
  /// expected there (by ranks: they and one more are exchangeable).
  const Json& plan() const { return plan_; }

 private:
  PreprocessOptions preprocess_;
  at::Tensor training_;  ///< (N, 1, 64, 64)
  CopyIndex index_;
  double threshold_ = 1.0;
  Json plan_;
};

/// Looks for copies of training images among generated ones. Adds copy_score, copy_flag and
/// nearest_training to the rows.
/// @param fit  as the generating model's training images were fitted
/// @return the plan and {"flagged", "share", "share_ci95", "planted"}
/// @throws as CopyDetector
Json audit_copies(Table& generated, Table& training, Table& held_out, Fit fit, std::uint64_t seed,
                  const OnProgress& on_progress = {});

}  // namespace medaug
