// SPDX-License-Identifier: MIT
#include "evaluation/downstream.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "evaluation/downstream_report.h"
#include "evaluation/test_images.h"

namespace medaug {
namespace {

using ::testing::HasSubstr;
using testing::labelled;
using testing::test_images;
using testing::TestImages;

Classifier untrained() {
  ClassifierInfo info;
  info.network = ClassifierNetwork::kSmall;
  info.classes = {"top", "bottom"};
  info.preprocess = testing::test_preprocess();
  return {info, make_network({ClassifierNetwork::kSmall, 1, 16, 2}, 0)};
}

/// An arm whose runs got `right[run]` of the images right, the first ones.
Arm arm_of(const LabelledImages& images, const std::vector<std::int64_t>& right) {
  Arm arm{"arm", images.size(), {}, 1, {}};
  for (const auto count : right) {
    auto p = at::zeros({images.size(), 2});
    for (std::int64_t i = 0; i < images.size(); ++i) {
      const auto truth = images.classes[static_cast<std::size_t>(i)];
      p[i][i < count ? truth : 1 - truth] = 1.0;
    }
    arm.runs.push_back({arm.runs.size(), untrained(), {p, scores_of(p, images.classes)}, {}, 0.0});
  }
  return arm;
}

TEST(Difference, OfAllWrongAndAllRightIsHundredPoints) {
  const auto images = test_images(20, 1);
  const auto d = difference(arm_of(images, {0}), arm_of(images, {20}), images, Split::kVal);
  for (const auto& one : {d.accuracy, d.balanced_accuracy}) {
    EXPECT_DOUBLE_EQ(one.points, 100.0);
    EXPECT_DOUBLE_EQ(one.interval.low, 100.0);
    EXPECT_EQ(one.verdict(), "better");
  }
  EXPECT_EQ(
      difference(arm_of(images, {20}), arm_of(images, {0}), images, Split::kVal).accuracy.verdict(),
      "worse");
}

TEST(Difference, IsTheMeanOverTheSeedsAndInsideTheNoiseWhenTheyDisagree) {
  const auto images = test_images(20, 1);
  const auto d = difference(arm_of(images, {10, 10}), arm_of(images, {12, 9}), images, Split::kVal);
  EXPECT_NEAR(d.accuracy.points, 100.0 * (2.0 - 1.0) / 40.0, 1e-9);
  EXPECT_LT(d.accuracy.interval.low, 0.0);
  EXPECT_GT(d.accuracy.interval.high, d.accuracy.points);
  EXPECT_EQ(d.accuracy.verdict(), "inside the noise");
}

TEST(Difference, BalancedAccuracyCountsEveryClassAlike) {
  auto images = test_images(20, 1);
  images.classes.assign(20, 0);
  images.classes[0] = images.classes[1] = 1;  // the two that only the second arm gets right
  const auto d = difference(arm_of(images, {0}), arm_of(images, {2}), images, Split::kVal);
  EXPECT_NEAR(d.accuracy.points, 10.0, 1e-9);
  EXPECT_NEAR(d.balanced_accuracy.points, 50.0, 1e-9);
}

TEST(Difference, ImagesOfAGroupAreDrawnTogether) {
  auto data = std::make_shared<TestImages>(24, 1);
  const auto alone = labelled(data);
  const auto a = arm_of(alone, {0}), b = arm_of(alone, {12});
  const auto before = difference(a, b, alone, Split::kVal).accuracy.interval;
  for (std::int64_t i = 0; i < 24; ++i) {
    data->set_group(i, "patient " + std::to_string(i / 6));
  }
  const auto behind = difference(a, b, alone, Split::kVal).accuracy.interval;
  EXPECT_GT(behind.high - behind.low, 1.3 * (before.high - before.low));
}

DownstreamData small_data() {
  DownstreamData data;
  data.original = test_images(32, 1, "");
  data.augmented = test_images(64, 4, "");
  data.val = test_images(20, 2, "");
  data.classes = {{0, 1}, {"top", "bottom"}};
  data.preprocess = testing::test_preprocess();
  return data;
}

DownstreamOptions small_options() {
  DownstreamOptions options;
  options.classifier = testing::test_options();
  options.classifier.steps = 0;
  options.classifier.epochs = 2;
  options.seeds = 2;
  return options;
}

TEST(CompareArms, BothTakeTheStepsOfTheOriginalData) {
  const auto data = small_data();
  auto options = small_options();
  const auto arms = compare_arms(data, options);
  ASSERT_EQ(arms.size(), 2U);
  EXPECT_EQ(arms[0].name, "original_only");
  EXPECT_EQ(arms[1].name, "original_plus_augmented");
  EXPECT_EQ(arms[0].images, 32);
  EXPECT_EQ(arms[1].images, 96);
  EXPECT_EQ(arms[0].steps, 2);
  EXPECT_EQ(arms[1].steps, 2);
  ASSERT_EQ(arms[1].runs.size(), 2U);
  EXPECT_EQ(arms[1].runs[1].seed, 1U);
  EXPECT_FALSE(arms[0].runs[0].val.probabilities.equal(arms[0].runs[1].val.probabilities));
  options.equal_epochs = true;
  options.seeds = 1;
  EXPECT_EQ(compare_arms(data, options)[1].steps, 6);
}

TEST(CompareArms, AStopIsAnErrorOfItsOwn) {
  try {
    compare_arms(small_data(), small_options(), [](const DownstreamProgress&) { return false; });
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kStopped);
  }
}

}  // namespace
}  // namespace medaug
