// SPDX-License-Identifier: MIT
#include "flow/path.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "base/error.h"

namespace medaug {
namespace {

// Keeps t inside (0, 1) in float32 too, where logit-normal tails would round to the ends.
constexpr double kTimeMargin = 1e-6;

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

// `time` as float32 that broadcasts against `like`: (N) becomes (N, 1, ...), a scalar stays one.
at::Tensor beside(const at::Tensor& time, const at::Tensor& like) {
  const auto t = time.to(at::kFloat);
  if (t.dim() == 0) {
    return t;
  }
  std::vector<std::int64_t> shape(static_cast<std::size_t>(like.dim()), 1);
  shape.front() = t.numel();
  return t.view(shape);  // (N, 1, ...)
}

// Inverse of the standard normal distribution, by bisection: 32 numbers a step are not worth more.
double normal_quantile(double u) {
  double low = -9.0;
  double high = 9.0;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (0.5 * std::erfc(-middle * std::numbers::sqrt2 / 2.0) < u ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

struct Preconditioning {
  at::Tensor centred;   // z - t mean
  at::Tensor variance;  // of it: t^2 std^2 + s^2 (1 - t)^2
  at::Tensor mean;      // (1, C, 1, 1) or a zero
  at::Tensor t;
};

Preconditioning precondition(const at::Tensor& z, const at::Tensor& time,
                             const FlowOptions& options) {
  Preconditioning p;
  p.t = beside(time, z);
  p.mean = at::zeros({1}, z.options());
  if (!options.data_mean.empty()) {
    p.mean = at::tensor(options.data_mean, z.options().dtype(at::kFloat)).view({1, -1, 1, 1});
  }
  p.centred = z - p.t * p.mean;
  p.variance = (p.t * options.data_std).square() + ((1.0 - p.t) * options.noise_scale).square();
  return p;
}

at::Tensor clipped_remaining(const at::Tensor& t, double clip) { return (1.0 - t).clamp_min(clip); }

void check_times(const at::Tensor& time, const at::Tensor& images) {
  if (time.dim() > 1 || (time.dim() == 1 && time.size(0) != images.size(0))) {
    throw Error(ErrorCode::kInvalidArgument, "time",
                "must be a scalar or one time per image (" + std::to_string(images.size(0)) + ")");
  }
}

}  // namespace

double time_mean_for(double side, double noise_scale) {
  return std::min(0.0, -0.6 * std::log(side / (64.0 * noise_scale)));
}

double time_quantile(const FlowOptions& options, double u) {
  const double share =
      options.time == TimeDistribution::kUniform ? 1.0 : options.time_uniform_share;
  const double t = u < share
                       ? u / share
                       : sigmoid(options.time_mean.value_or(0.0) +
                                 options.time_std * normal_quantile((u - share) / (1.0 - share)));
  return std::clamp(t, kTimeMargin, 1.0 - kTimeMargin);
}

at::Tensor network_input(const at::Tensor& z, const at::Tensor& time, const FlowOptions& options) {
  if (options.prediction != Prediction::kPreconditioned) {
    return z;
  }
  const auto p = precondition(z, time, options);
  return p.centred * p.variance.rsqrt();
}

at::Tensor interpolate(const at::Tensor& image, const at::Tensor& noise, const at::Tensor& time,
                       const FlowOptions& options) {
  check_times(time, image);
  const auto t = beside(time, image);
  return image * t + noise * ((1.0 - t) * options.noise_scale);
}

at::Tensor to_image(const at::Tensor& predicted, const at::Tensor& z, const at::Tensor& time,
                    const FlowOptions& options) {
  const auto prediction = predicted.to(z.scalar_type());
  if (options.prediction == Prediction::kImage) {
    return prediction;
  }
  check_times(time, z);
  if (options.prediction == Prediction::kPreconditioned) {
    const auto p = precondition(z, time, options);
    const auto rest = p.variance.rsqrt() * ((1.0 - p.t) * (options.data_std * options.noise_scale));
    return p.mean + p.t * (options.data_std * options.data_std) / p.variance * p.centred +
           rest * prediction;
  }
  return z + (1.0 - beside(time, z)) * prediction;
}

at::Tensor to_velocity(const at::Tensor& predicted, const at::Tensor& z, const at::Tensor& time,
                       const FlowOptions& options) {
  const auto prediction = predicted.to(z.scalar_type());
  if (options.prediction == Prediction::kVelocity) {
    return prediction;
  }
  check_times(time, z);
  return (to_image(prediction, z, time, options) - z) /
         clipped_remaining(beside(time, z), options.clip);
}

at::Tensor velocity_loss(const at::Tensor& predicted, const at::Tensor& image,
                         const at::Tensor& noise, const at::Tensor& z, const at::Tensor& time,
                         const FlowOptions& options) {
  check_times(time, z);
  const bool from_image = options.prediction != Prediction::kVelocity;
  const auto target = from_image ? image : at::sub(image, noise, options.noise_scale);
  const auto guess = from_image ? to_image(predicted, z, time, options) : predicted.to(at::kFloat);
  // One pass for the square, one for the mean; the weight is applied to N numbers, not to the
  // images.
  const auto mean = at::mse_loss(guess, target, at::Reduction::None).flatten(1).mean(1);  // (N)
  return from_image ? mean / clipped_remaining(time.to(at::kFloat), options.clip).square() : mean;
}

}  // namespace medaug
