// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>

#include "flow/guidance.h"
#include "flow/sampler.h"
#include "models/generator.h"

namespace medaug {

/// Stands in every PNG that holds made images.
inline constexpr const char* kResearchNotice =
    "Synthetic image made by medaug, for research and education only; not for diagnosis.";

struct SamplingRequest {
  Conditions conditions = {};           ///< N images
  Conditions no_text = {};              ///< the same with empty captions (or the negative caption)
  std::span<const std::int64_t> seeds;  ///< N: an image's noise depends on its seed alone
  /// (N, C, H, W) in [-1, 1], or undefined: an image to keep outside of its region. Noise is led to
  /// it along the straight path of training, so that the network always sees it at the right noise
  /// level; the finished image has its very values there.
  at::Tensor init = {};
  at::Tensor region = {};  ///< (N, 1, H, W) bool: where to paint; goes with `init`
  std::int64_t height = 64;
  std::int64_t width = 64;
};

struct SamplingSettings {
  FlowOptions flow = {};
  SamplerOptions sampler = {};
  GuidanceOptions guidance = {};
  NextDiTCall call = {};
};

/// Follows the making of images.
struct SamplingWatch {
  /// Sees the first part's state on the calling thread, and may cancel: the state so far is then
  /// returned.
  StepCallback on_step = {};
  /// Sees, after each step of each part, the x-hat (n, C, h, w) that it led to, as the network
  /// works on it (`Generator::glimpse` makes pictures of it): images from number `first` on. Called
  /// from the parts' threads, at the same time.
  std::function<void(std::int64_t first, const at::Tensor& estimate)> on_estimate = {};
};

/// Images (N, C, H, W) float32 in [-1, 1] (clamped) from noise; captions are encoded once. Runs
/// without gradients. On the CPU the parts of a large batch are made at the same time (nn/team.h).
at::Tensor sample_images(const Generator& model, const SamplingRequest& request,
                         const SamplingSettings& settings, const SamplingWatch& watch = {});

}  // namespace medaug
