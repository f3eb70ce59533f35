// SPDX-License-Identifier: MIT
#include "flow/guidance.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sin.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/error.h"

namespace medaug {
namespace {

using Branches = std::vector<Branch>;

double value_of(Branch branch) {
  switch (branch) {
    case Branch::kFull:
      return 8.0;
    case Branch::kNoText:
      return 5.0;
    case Branch::kNoMask:
      return 6.0;
    case Branch::kNothing:
      return 1.0;
  }
  return 0.0;
}

// A network whose answer depends on the branch alone.
at::Tensor answer(const at::Tensor& z, double, std::span<const Branch> branches) {
  std::vector<at::Tensor> parts;
  const auto count = static_cast<std::int64_t>(branches.size());
  for (const auto branch : branches) {
    parts.push_back(at::full_like(z.narrow(0, 0, z.size(0) / count), value_of(branch)));
  }
  return at::cat(parts);
}

double guided(const GuidanceOptions& guidance, double time = 0.5) {
  GuidedField field(answer, FlowOptions{.prediction = Prediction::kImage, .data_mean = {}},
                    guidance);
  return field.image(at::full({1, 1, 1, 1}, 0.0), time).item<double>();
}

TEST(Guidance, LeavesFurtherChannelsAsTheConditionsAloneGiveThem) {
  GuidanceOptions guidance{.text = 3.0, .interval_low = 0.0, .interval_high = 1.0};
  guidance.channels = 3;
  GuidedField field(answer, FlowOptions{.prediction = Prediction::kImage, .data_mean = {}},
                    guidance);
  const auto image = field.image(at::full({1, 4, 1, 1}, 0.0), 0.5).flatten();
  EXPECT_DOUBLE_EQ(image[2].item<double>(), 8.0 + 2.0 * (8.0 - 5.0));
  EXPECT_DOUBLE_EQ(image[3].item<double>(), 8.0);
}

TEST(Guidance, ScaleOneReturnsTheConditionalPredictionBitForBit) {
  const auto z = (at::arange(24, at::kFloat) * 0.7).sin().view({2, 3, 2, 2});
  const auto predict = [](const at::Tensor& x, double, std::span<const Branch> branches) {
    EXPECT_EQ(branches.size(), 1U);
    EXPECT_EQ(branches.front(), Branch::kFull);
    return x * 0.3F;
  };
  GuidedField field(predict, FlowOptions{.prediction = Prediction::kImage, .data_mean = {}},
                    GuidanceOptions{});
  EXPECT_TRUE(field.image(z, 0.5).equal(z * 0.3F));
  EXPECT_EQ(field.evaluations(), 1);
}

TEST(Guidance, TextAloneDropsOnlyTheText) {
  // 8 + (3 - 1) (8 - 5)
  EXPECT_DOUBLE_EQ(guided({.text = 3.0}), 14.0);
}

TEST(Guidance, MaskAloneKeepsTheTextInBothBranches) {
  // 8 + (3 - 1) (8 - 6)
  EXPECT_DOUBLE_EQ(guided({.mask = 3.0}), 12.0);
}

TEST(Guidance, TextAndMaskFollowTheSplitFormula) {
  // n + mask (m - n) + text (f - m) = 1 + 2 (5 - 1) + 3 (8 - 5)
  EXPECT_DOUBLE_EQ(guided({.text = 3.0, .mask = 2.0}), 18.0);
}

TEST(Guidance, ActsInsideItsIntervalOnly) {
  const GuidanceOptions options{.text = 3.0, .interval_low = 0.1, .interval_high = 0.9};
  EXPECT_DOUBLE_EQ(guided(options, 0.05), 8.0);
  EXPECT_DOUBLE_EQ(guided(options, 0.1), 14.0);
  EXPECT_DOUBLE_EQ(guided(options, 0.9), 14.0);
  EXPECT_DOUBLE_EQ(guided(options, 0.95), 8.0);
}

TEST(Guidance, RepeatsTheStateForEachBranchInOneCall) {
  int calls = 0;
  const auto z = at::arange(2, at::kFloat).view({2, 1, 1, 1});
  const auto predict = [&](const at::Tensor& x, double t, std::span<const Branch> branches) {
    ++calls;
    EXPECT_EQ(Branches(branches.begin(), branches.end()),
              (Branches{Branch::kFull, Branch::kNoText, Branch::kNothing}));
    EXPECT_TRUE(x.equal(at::cat({z, z, z})));
    return answer(x, t, branches);
  };
  GuidedField field(predict, FlowOptions{.prediction = Prediction::kImage, .data_mean = {}},
                    {.text = 2.0, .mask = 2.0});
  field(z, 0.5);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(field.evaluations(), 3);
}

TEST(Guidance, LastStepEndsInTheImage) {
  GuidedField field(answer, FlowOptions{.prediction = Prediction::kImage, .data_mean = {}},
                    GuidanceOptions{});
  const SamplerOptions options{.steps = 5};
  const auto z = at::full({1, 1, 2, 2}, -2.0);
  const auto end = integrate(std::ref(field), z, time_grid(options), options);
  EXPECT_LT((end - 8.0).abs().max().item<double>(), 1e-5);
}

TEST(Guidance, VelocityPredictionsAreGuidedOnTheImage) {
  // v: 8 and 5; x-hat = z + (1 - t) v, so that guidance is the same on v.
  GuidedField field(answer, {.prediction = Prediction::kVelocity, .data_mean = {}}, {.text = 3.0});
  const auto z = at::full({1, 1, 1, 1}, 0.5);
  EXPECT_FLOAT_EQ(field(z, 0.5).item<float>(), 14.0F);
  EXPECT_FLOAT_EQ(field(z, 1.0).item<float>(), 8.0F);
}

TEST(Guidance, ProjectionRemovesTheParallelPart) {
  const auto full = at::full({1, 1, 1, 2}, 0.0);
  full[0][0][0][0] = 2.0;  // along the first axis
  const auto difference = at::full({1, 1, 1, 2}, 3.0);
  const auto kept = project_guidance(full, difference, {.projected_rms = 10.0});
  EXPECT_FLOAT_EQ(kept[0][0][0][0].item<float>(), 0.0F);
  EXPECT_FLOAT_EQ(kept[0][0][0][1].item<float>(), 3.0F);
  const auto all =
      project_guidance(full, difference, {.projected_eta = 1.0, .projected_rms = 10.0});
  EXPECT_TRUE(all.equal(difference));
}

TEST(Guidance, ProjectionLimitsEachImage) {
  const auto full = at::full({2, 1, 1, 4}, 0.0);
  auto difference = at::full({2, 1, 1, 4}, 1.0);  // root mean square 1
  difference.select(0, 1).mul_(100.0);            // 100
  const auto kept = project_guidance(full, difference, {.projected_rms = 2.0});
  EXPECT_TRUE(kept[0].equal(difference[0]));
  EXPECT_FLOAT_EQ(kept[1].norm().item<float>(), 4.0F);
}

TEST(Guidance, HighScalesAreProjectedAndCarryMomentum) {
  // One pixel: every difference is parallel to the prediction, so nothing is left of it.
  EXPECT_DOUBLE_EQ(guided({.text = 7.5}), 8.0);
  // With eta 1 only the momentum is seen: 3, then 3 - 0.5 * 3.
  GuidedField field(answer, FlowOptions{.prediction = Prediction::kImage, .data_mean = {}},
                    {.text = 7.0, .projected_eta = 1.0, .projected_rms = 10.0});
  const auto z = at::full({1, 1, 1, 1}, 0.0);
  EXPECT_DOUBLE_EQ(field.image(z, 0.4).item<double>(), 8.0 + 6.0 * 3.0);
  EXPECT_DOUBLE_EQ(field.image(z, 0.5).item<double>(), 8.0 + 6.0 * 1.5);
}

TEST(Guidance, GivesTheSameBitsAloneAndInABatch) {
  const auto z = (at::arange(4 * 3 * 5 * 7, at::kFloat) * 0.13).sin().view({4, 3, 5, 7});
  const auto predict = [](const at::Tensor& x, double t, std::span<const Branch> branches) {
    const auto n = x.size(0) / static_cast<std::int64_t>(branches.size());
    std::vector<at::Tensor> parts;
    for (std::size_t b = 0; b < branches.size(); ++b) {
      parts.push_back((x.narrow(0, 0, n) * (1.3 + static_cast<double>(b)) + t).sin());
    }
    return at::cat(parts);
  };
  const GuidanceOptions guidance{.text = 9.0, .mask = 6.0, .projected_rms = 0.2};
  const SamplerOptions options{.steps = 6};
  const auto sample = [&](const at::Tensor& start) {
    GuidedField field(predict, FlowOptions{.prediction = Prediction::kImage, .data_mean = {}},
                      guidance);
    return integrate(std::ref(field), start, time_grid(options), options);
  };
  const auto together = sample(z);
  for (std::int64_t i = 0; i < z.size(0); ++i) {
    EXPECT_TRUE(sample(z.narrow(0, i, 1)).equal(together.narrow(0, i, 1))) << "image " << i;
  }
}

TEST(Guidance, RejectsAScaleThatIsNotFinite) {
  EXPECT_THROW(GuidedField(answer, FlowOptions{.prediction = Prediction::kImage, .data_mean = {}},
                           {.text = NAN}),
               Error);
}

}  // namespace
}  // namespace medaug
