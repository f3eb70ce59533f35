// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "flow/path.h"
#include "flow/sampler.h"

namespace medaug {

/// What a branch of a guided evaluation knows of the conditions.
enum class Branch { kFull, kNoText, kNoMask, kNothing };

/// Evaluates the network for every branch in one batch, because one large call is faster than
/// several small ones.
/// @param z         (B N, C, H, W): the state repeated for each of the B branches, branch by branch
/// @param branches  what each of them may see, in that order
/// @return          (B N, C, H, W), as FlowOptions::prediction says
using BranchedPrediction =
    std::function<at::Tensor(const at::Tensor& z, double time, std::span<const Branch> branches)>;

/// The velocity field of a conditioned network with guidance on x-hat, one object for each call of
/// `integrate` (the momentum of the projected guidance is state). With f = full, m = mask only, n =
/// neither:
///
///   x-hat = f + (text - 1) (f - m) + (mask - 1) (m - n)
///
/// which for text alone takes two branches. For the mask alone the caption stays in both: f + (mask
/// - 1) (f - [no mask]). Outside the interval, at time 1 and with both scales at 1 only the full
/// branch is evaluated, and its prediction is returned as it is. A term whose scale exceeds
/// `projected_above` goes through adaptive projected guidance (Sadat et al., arXiv 2410.02416,
/// algorithm 1): momentum, norm limit, then only the part orthogonal to f (and eta of the rest).
/// Every image is reduced on its own. Not thread-safe.
class GuidedField {
 public:
  /// @throws Error kInvalidArgument for a scale that is not finite
  GuidedField(BranchedPrediction predict, const FlowOptions& flow, const GuidanceOptions& guidance);

  /// Velocity at (z, time): (x-hat - z) / (1 - t), so that a last step to time 1 ends in x-hat
  /// exactly. The clip of FlowOptions acts at time 1 only, where an image prediction has no
  /// velocity.
  at::Tensor operator()(const at::Tensor& z, double time);

  /// Guided x-hat at (z, time), float32 as z.
  at::Tensor image(const at::Tensor& z, double time);

  /// Branches an evaluation at `time` takes; the first is kFull.
  std::vector<Branch> branches_at(double time) const;

  /// Network evaluations so far, counted per image: a guided step with text alone counts two.
  std::int64_t evaluations() const { return evaluations_; }

 private:
  std::vector<at::Tensor> predict_images(const at::Tensor& z, double time,
                                         std::span<const Branch> branches);
  at::Tensor term(const at::Tensor& full, at::Tensor difference, double scale,
                  at::Tensor& momentum) const;

  BranchedPrediction predict_;
  FlowOptions flow_;
  GuidanceOptions guidance_;
  at::Tensor text_momentum_;
  at::Tensor mask_momentum_;
  std::int64_t evaluations_ = 0;
};

/// Adaptive projected guidance of one difference (N, ...) against the prediction `full` of the same
/// shape, without momentum: the difference limited to the root mean square options.projected_rms
/// per image, less the part parallel to `full` but for options.projected_eta of it. Reductions in
/// float64.
at::Tensor project_guidance(const at::Tensor& full, const at::Tensor& difference,
                            const GuidanceOptions& options);

}  // namespace medaug
