// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/fields.h"

// The straight path between noise and image, as everywhere in medaug: time 0 is noise, 1 is the
// image,
//   z_t = t x + s (1 - t) e,  v = x - s e      (s = noise scale)
// and what a network predicts is turned into the others here, never in a model.

namespace medaug {

/// What the network returns. Preconditioned (Karras et al., arXiv 2206.00364, section 5, carried
/// over to the straight path): the network sees z without the mean image and at unit variance, and
/// returns the unit-variance rest of x-hat that a linear guess from z leaves open. Near t = 1 it
/// need not copy z, so it learns faster than with kImage.
enum class Prediction { kVelocity, kImage, kPreconditioned };
template <>
struct EnumNames<Prediction> {
  static constexpr std::pair<Prediction, std::string_view> kNames[] = {
      {Prediction::kVelocity, "velocity"},
      {Prediction::kImage, "image"},
      {Prediction::kPreconditioned, "preconditioned"}};
};

enum class TimeDistribution { kUniform, kLogitNormal };
template <>
struct EnumNames<TimeDistribution> {
  static constexpr std::pair<TimeDistribution, std::string_view> kNames[] = {
      {TimeDistribution::kUniform, "uniform"}, {TimeDistribution::kLogitNormal, "logit_normal"}};
};

struct FlowOptions {
  Prediction prediction = Prediction::kPreconditioned;
  /// Per channel, of the training images; empty = 0. Set by the trainer.
  std::vector<double> data_mean = {};
  double data_std = 0.5;     ///< about that mean. Set by the trainer
  double noise_scale = 1.0;  ///< s; JiT uses resolution / 256 above 256
  double clip = 0.05;        ///< lower bound of 1 - t where it divides
  TimeDistribution time = TimeDistribution::kLogitNormal;
  std::optional<double> time_mean = {};  ///< of logit t; none = by resolution. Set by the trainer
  double time_std = 1.0;
  double time_uniform_share = 0.1;  ///< share of times drawn uniformly
};

template <class Visitor>
void describe(Visitor& visit, FlowOptions& o) {
  visit(Field{.name = "prediction", .help = "what the network returns"}, o.prediction);
  visit(Field{.name = "data_mean", .help = "mean of the images per channel; set from the data"},
        o.data_mean);
  visit(Field{.name = "data_std",
              .help = "deviation from it; set from the data",
              .min = 1e-3,
              .max = 10},
        o.data_std);
  visit(Field{.name = "noise_scale",
              .help = "standard deviation of the noise",
              .min = 0.01,
              .max = 100},
        o.noise_scale);
  visit(
      Field{
          .name = "clip", .help = "lower bound of 1 - t where it divides", .min = 1e-4, .max = 0.5},
      o.clip);
  visit(Field{.name = "time_distribution", .help = "how training times are drawn"}, o.time);
  visit(Field{.name = "time_mean",
              .help = "mean of logit t; null = -0.6 ln(side / (64 noise_scale)), at most 0",
              .min = -10,
              .max = 10},
        o.time_mean);
  visit(Field{.name = "time_std", .help = "standard deviation of logit t", .min = 0.01, .max = 10},
        o.time_std);
  visit(Field{.name = "time_uniform_share",
              .help = "share of times drawn uniformly",
              .min = 0,
              .max = 1},
        o.time_uniform_share);
}

/// The mean of logit t for pictures of this many pixels a side: -0.6 ln(side / (64 noise scale)),
/// at most 0. Neighbouring pixels tell the same, so a larger picture needs more noise to be as
/// hard. It passes through 0 at 64, above which short runs lose the shapes
/// (docs/notes/measurements.md), and -0.8 at 256 (JiT, arXiv 2511.13720, table 3).
double time_mean_for(double side, double noise_scale);

/// The quantile u in (0, 1) of the training times, itself in (0, 1): evenly spread u give evenly
/// spread times.
double time_quantile(const FlowOptions& options, double u);

/// What the network is given for z: z itself, or (z - t mean) / sqrt(t^2 std^2 + s^2 (1 - t)^2)
/// when preconditioned.
at::Tensor network_input(const at::Tensor& z, const at::Tensor& time, const FlowOptions& options);

/// z_t. @param image, noise (N, ...) float32  @param time (N) float32
at::Tensor interpolate(const at::Tensor& image, const at::Tensor& noise, const at::Tensor& time,
                       const FlowOptions& options);

/// x-hat from what the network returned for (z, time); `time` is (N) or a scalar tensor.
at::Tensor to_image(const at::Tensor& predicted, const at::Tensor& z, const at::Tensor& time,
                    const FlowOptions& options);
/// v-hat likewise: (x-hat - z) / max(1 - t, clip) for an image prediction.
at::Tensor to_velocity(const at::Tensor& predicted, const at::Tensor& z, const at::Tensor& time,
                       const FlowOptions& options);

/// Per-sample mean of ||v-hat - v||^2, (N) float32, differentiable in `predicted`.
/// For an image prediction this is ||x-hat - x||^2 / max(1 - t, clip)^2 (JiT, arXiv 2511.13720,
/// section 4).
at::Tensor velocity_loss(const at::Tensor& predicted, const at::Tensor& image,
                         const at::Tensor& noise, const at::Tensor& z, const at::Tensor& time,
                         const FlowOptions& options);

}  // namespace medaug
