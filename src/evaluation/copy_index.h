// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "data/preprocess.h"
#include "evaluation/copy_align.h"

namespace medaug {

/// How pictures are prepared for the search: grey, 64 x 64.
/// @param fit  as the generating model's training images were fitted
PreprocessOptions copy_preprocess(Fit fit = Fit::kStretch);

/// The training image that a picture is most like.
struct CopyMatch {
  std::int64_t training = -1;  ///< its row
  /// 1 - unexplained_detail: 1 = the same picture, 0 = nothing in common. Real pictures of other
  /// people reach some value too: what is a copy is for CopyDetector to say.
  double score = 0.0;
};

/// Finds the training image that a picture was made from, also when it was mirrored, turned by up
/// to 12 degrees, cropped to no less than about 80 %, moved by a tenth, given other grey levels, or
/// made noisy.
///
/// First, local detail at 16 x 16 in 540 poses (mirrored, turned, scaled, moved) is correlated with
/// that of all training images. The 80 best are aligned (evaluation/copy_align.h) at 32 x 32, in
/// two rounds, the 3 best of these at 64 x 64, and the one that explains most is taken.
class CopyIndex {
 public:
  /// @param training (N, 1, 64, 64) float32 in [-1, 1], N >= 1. Keeps 37 KB an image.
  explicit CopyIndex(const at::Tensor& training);

  std::int64_t size() const { return static_cast<std::int64_t>(training_.size()); }

  /// @param images (N, 1, 64, 64)
  std::vector<CopyMatch> nearest(
      const at::Tensor& images,
      const std::function<void(std::int64_t done)>& on_progress = {}) const;

 private:
  /// A picture at each resolution that it is looked at.
  struct Prepared {
    GreyPicture picture, fine, coarse;
  };
  struct Candidate {
    std::int64_t training = -1;
    Pose pose;
    double correlation = -1.0;
  };

  static Prepared prepare(const at::Tensor& image);
  static std::vector<Prepared> prepare_all(const at::Tensor& images);
  /// Of each query with each training image in its best pose, and the number of that pose: (Q, N).
  at::Tensor correlations(const std::vector<Prepared>& queries, at::Tensor& poses) const;
  std::vector<std::vector<Candidate>> search(const std::vector<Prepared>& queries) const;
  CopyMatch look_closely(const Prepared& query, std::vector<Candidate> candidates) const;

  std::vector<Prepared> training_;
  at::Tensor descriptors_;  ///< (N, 256), mean detail of the cells
};

}  // namespace medaug
