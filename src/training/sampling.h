// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
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
  std::int64_t height = 64;
  std::int64_t width = 64;
};

struct SamplingSettings {
  FlowOptions flow = {};
  SamplerOptions sampler = {};
  GuidanceOptions guidance = {};
  NextDiTCall call = {};
};

/// Images (N, C, H, W) float32 in [-1, 1] (clamped) from noise; captions are encoded once. Runs
/// without gradients. On the CPU the parts of a large batch are made at the same time (nn/team.h).
/// @param on_step  sees the first part's state on the calling thread, and may cancel: the state so
/// far is then returned
at::Tensor sample_images(const Generator& model, const SamplingRequest& request,
                         const SamplingSettings& settings, const StepCallback& on_step = {});

}  // namespace medaug
