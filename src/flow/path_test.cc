// SPDX-License-Identifier: MIT
#include "flow/path.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace medaug {
namespace {

at::Tensor column(std::vector<double> values) {
  const auto n = static_cast<std::int64_t>(values.size());
  return at::tensor(values, at::kFloat).view({n, 1, 1, 1});
}
at::Tensor times(std::vector<double> values) { return at::tensor(values, at::kFloat); }

const FlowOptions kVelocityFlow{
    .prediction = Prediction::kVelocity, .data_mean = {}, .noise_scale = 2.0};
const FlowOptions kImageFlow{.prediction = Prediction::kImage, .data_mean = {}, .noise_scale = 2.0};

TEST(Path, InterpolatesBetweenScaledNoiseAndImage) {
  const auto z =
      interpolate(column({1.0, 3.0}), column({10.0, -1.0}), times({0.25, 1.0}), kImageFlow);
  // 0.25 * 1 + 2 * 0.75 * 10, and the image itself
  EXPECT_TRUE(z.equal(column({15.25, 3.0})));
}

TEST(Path, ImageAndVelocityAgreeOnTheTruth) {
  const auto image = column({0.5, -0.25});
  const auto noise = column({1.5, 0.75});
  const auto t = times({0.25, 0.75});
  const auto z = interpolate(image, noise, t, kVelocityFlow);
  const auto velocity = image - noise * 2.0;
  EXPECT_TRUE(at::allclose(to_image(velocity, z, t, kVelocityFlow), image, 1e-6, 1e-6));
  EXPECT_TRUE(at::allclose(to_velocity(image, z, t, kImageFlow), velocity, 1e-6, 1e-6));
  EXPECT_TRUE(to_image(image, z, t, kImageFlow).equal(image));
  EXPECT_TRUE(to_velocity(velocity, z, t, kVelocityFlow).equal(velocity));
}

TEST(Path, VelocityOfAnImageIsClippedNearTimeOne) {
  const auto v = to_velocity(column({1.0}), column({0.5}), at::full({}, 0.99), kImageFlow);
  EXPECT_FLOAT_EQ(v.item<float>(), 0.5F / 0.05F);
}

TEST(Path, RejectsTimesOfAnotherCount) {
  EXPECT_THROW(
      interpolate(column({1.0, 2.0}), column({1.0, 2.0}), times({0.1, 0.2, 0.3}), kImageFlow),
      Error);
}

TEST(VelocityLoss, WeighsAnImageErrorByTheClippedRemainder) {
  const auto image = at::full({2, 1, 1, 2}, 1.0);
  const auto predicted = at::full({2, 1, 1, 2}, 1.5);
  const auto loss = velocity_loss(predicted, image, image, image, times({0.5, 0.99}), kImageFlow);
  EXPECT_FLOAT_EQ(loss[0].item<float>(), 0.25F / 0.25F);
  EXPECT_FLOAT_EQ(loss[1].item<float>(), 0.25F / (0.05F * 0.05F));
}

TEST(VelocityLoss, IsTheMeanSquareForAVelocity) {
  const auto image = column({1.0});
  const auto noise = column({0.25});
  const auto loss = velocity_loss(column({2.0}), image, noise, image, times({0.3}), kVelocityFlow);
  EXPECT_FLOAT_EQ(loss.item<float>(), 1.5F * 1.5F);  // v = 1 - 2 * 0.25
}

TEST(VelocityLoss, IsDifferentiableAndFloat32ForBfloat16Predictions) {
  auto predicted = at::full({1, 1, 1, 2}, 0.5, at::kBFloat16).requires_grad_(true);
  const auto image = at::full({1, 1, 1, 2}, 0.25);
  const auto loss = velocity_loss(predicted, image, image, image, times({0.5}), kImageFlow);
  EXPECT_EQ(loss.scalar_type(), at::kFloat);
  loss.sum().backward();
  // d/dp of mean((p - x)^2) / (1 - t)^2 = 2 * 0.25 / 2 / 0.25
  EXPECT_FLOAT_EQ(predicted.grad()[0][0][0][0].item<float>(), 1.0F);
}

// What many evenly spread quantiles give.
std::vector<double> times_of(const FlowOptions& options, int count) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    times.push_back(time_quantile(options, (i + 0.5) / count));
  }
  return times;
}

TEST(TimeQuantile, StaysInsideTheOpenUnitInterval) {
  const FlowOptions extreme{.data_mean = {}, .time_mean = 10.0, .time_std = 10.0};
  for (const double t : times_of(extreme, 2000)) {
    EXPECT_GT(static_cast<float>(t), 0.0F);
    EXPECT_LT(static_cast<float>(t), 1.0F);
  }
}

// Median and quartiles of the logit give back mean and standard deviation.
TEST(TimeQuantile, LogitHasTheMeanAndDeviationAskedFor) {
  const FlowOptions options{
      .data_mean = {}, .time_mean = -0.8, .time_std = 0.8, .time_uniform_share = 0.0};
  std::vector<double> logits;
  for (const double t : times_of(options, 20000)) {
    logits.push_back(std::log(t / (1.0 - t)));
  }
  EXPECT_TRUE(std::is_sorted(logits.begin(), logits.end()));
  EXPECT_NEAR(logits[10000], -0.8, 1e-3);
  EXPECT_NEAR(logits[15000] - logits[5000], 2 * 0.67449 * 0.8, 1e-3);
}

TEST(TimeMean, FollowsTheResolution) {
  EXPECT_DOUBLE_EQ(time_mean_for(64, 1.0), 0.0);
  EXPECT_DOUBLE_EQ(time_mean_for(32, 1.0), 0.0);
  EXPECT_NEAR(time_mean_for(256, 1.0), -0.8, 0.05);
  EXPECT_DOUBLE_EQ(time_mean_for(512, 2.0), time_mean_for(256, 1.0));
}

TEST(TimeQuantile, UniformShareFillsTheEnds) {
  const FlowOptions narrow{.data_mean = {}, .time_std = 0.01, .time_uniform_share = 0.5};
  const auto times = times_of(narrow, 10000);
  const auto outside =
      std::count_if(times.begin(), times.end(), [](double t) { return std::abs(t - 0.5) > 0.1; });
  EXPECT_NEAR(static_cast<double>(outside), 4000, 10);  // half uniform, 80 % of those outside
}

}  // namespace
}  // namespace medaug
