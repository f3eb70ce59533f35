// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "flow/path.h"
#include "models/generator.h"
#include "training/distill.h"

namespace medaug {

/// What one forward and backward pass works on. `draws` number the samples since the start of the
/// run and key every random number, so the result does not depend on how samples are grouped or on
/// which process has them.
struct FlowBatch {
  at::Tensor images;  ///< (N, C, H, W) float32 in [-1, 1]
  Conditions conditions;
  std::vector<std::int64_t> draws;  ///< N

  /// Those of `count` images from `begin` on; without their draws.
  FlowBatch narrow(std::int64_t begin, std::int64_t count) const;
};

/// Noise and times come from streams of this seed: purpose kNoise and kTime in training,
/// kValidation in validation.
struct FlowDraws {
  at::Tensor noise;  ///< (N, C, H, W) standard normal
  at::Tensor time;   ///< (N)

  FlowDraws narrow(std::int64_t begin, std::int64_t count) const;
};
FlowDraws draw_noise_and_time(const FlowBatch& batch, const FlowOptions& options,
                              std::uint64_t seed);
/// For the posterior of the autoencoder: a picture is another draw of its latents each time.
/// @param images  their shape
at::Tensor posterior_noise(const Generator& model, at::IntArrayRef images,
                           std::span<const std::int64_t> draws, std::uint64_t seed);
/// For validation: the time of each sample is given, and the same sample always meets the same
/// noise.
at::Tensor draw_noise(at::IntArrayRef shape, std::span<const std::int64_t> keys, std::uint64_t seed,
                      Purpose purpose);

/// What is learned.
struct FlowObjective {
  FlowOptions flow = {};
  NextDiTCall call = {};
  const Teacher* teacher = nullptr;  ///< its guided prediction takes the place of the image
};

/// Per-sample v-loss (N), float32, differentiable in the weights.
at::Tensor flow_loss(const Generator& model, const FlowBatch& batch, const FlowDraws& draws,
                     const FlowObjective& objective = {});

/// Mean loss of a batch. Its gradient, times `scale`, becomes that of every parameter that it
/// reaches (training/batch_gradients.h).
double flow_gradients(const Generator& model, const FlowBatch& batch, const FlowDraws& draws,
                      const FlowObjective& objective = {}, double scale = 1.0);

}  // namespace medaug
