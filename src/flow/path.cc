// SPDX-License-Identifier: MIT
#include "flow/path.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/sub.h>

#include <algorithm>
#include <cmath>
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

at::Tensor clipped_remaining(const at::Tensor& t, double clip) { return (1.0 - t).clamp_min(clip); }

void check_times(const at::Tensor& time, const at::Tensor& images) {
  if (time.dim() > 1 || (time.dim() == 1 && time.size(0) != images.size(0))) {
    throw Error(ErrorCode::kInvalidArgument, "time",
                "must be a scalar or one time per image (" + std::to_string(images.size(0)) + ")");
  }
}

}  // namespace

double draw_time(const FlowOptions& options, RandomStream& stream) {
  const bool uniform =
      options.time == TimeDistribution::kUniform || stream.chance(options.time_uniform_share);
  const double t =
      uniform ? stream.uniform() : sigmoid(options.time_mean + options.time_std * stream.normal());
  return std::clamp(t, kTimeMargin, 1.0 - kTimeMargin);
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
  return z + (1.0 - beside(time, z)) * prediction;
}

at::Tensor to_velocity(const at::Tensor& predicted, const at::Tensor& z, const at::Tensor& time,
                       const FlowOptions& options) {
  const auto prediction = predicted.to(z.scalar_type());
  if (options.prediction == Prediction::kVelocity) {
    return prediction;
  }
  check_times(time, z);
  return (prediction - z) / clipped_remaining(beside(time, z), options.clip);
}

at::Tensor velocity_loss(const at::Tensor& predicted, const at::Tensor& image,
                         const at::Tensor& noise, const at::Tensor& z, const at::Tensor& time,
                         const FlowOptions& options) {
  check_times(time, z);
  const bool from_image = options.prediction == Prediction::kImage;
  const auto target = from_image ? image : at::sub(image, noise, options.noise_scale);
  // One pass for the square, one for the mean; the weight is applied to N numbers, not to the
  // images.
  const auto mean = at::mse_loss(predicted.to(at::kFloat), target, at::Reduction::None)
                        .flatten(1)
                        .mean(1);  // (N)
  return from_image ? mean / clipped_remaining(time.to(at::kFloat), options.clip).square() : mean;
}

}  // namespace medaug
