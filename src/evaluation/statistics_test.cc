// SPDX-License-Identifier: MIT
#include "evaluation/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"

namespace medaug {
namespace {

std::vector<double> normal_values(std::size_t count, std::uint64_t number) {
  RandomStream stream(9, Purpose::kPhantom, number);
  std::vector<double> out;
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(stream.normal());
  }
  return out;
}

TEST(Quantile, InterpolatesBetweenOrderStatistics) {
  // numpy.quantile([1, 2, 4, 8], q)
  const std::vector<double> values{8.0, 1.0, 4.0, 2.0};
  EXPECT_DOUBLE_EQ(quantile(values, 0.0), 1.0);
  EXPECT_DOUBLE_EQ(quantile(values, 0.1), 1.3);
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 3.0);
  EXPECT_DOUBLE_EQ(quantile(values, 0.95), 7.4);
  EXPECT_DOUBLE_EQ(quantile(values, 1.0), 8.0);
  EXPECT_DOUBLE_EQ(quantile({5.0}, 0.3), 5.0);
}

TEST(Wilson, AsPublished) {
  // Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
  const auto many = wilson(81, 263);
  EXPECT_NEAR(many.low, 0.2553, 5e-5);
  EXPECT_NEAR(many.high, 0.3662, 5e-5);
  const auto none = wilson(0, 20);
  EXPECT_NEAR(none.low, 0.0, 1e-12);
  EXPECT_NEAR(none.high, 0.1611, 5e-5);
  EXPECT_NEAR(wilson(29, 29).low, 0.8830, 5e-5);
}

TEST(Summarise, EmptyListHasNothingButItsCount) {
  const auto s = summarise({});
  EXPECT_EQ(s.count, 0);
  EXPECT_EQ(s.mean, 0.0);
  EXPECT_FALSE(s.mean_interval);
}

TEST(Summarise, OneValueHasNoDeviationAndNoInterval) {
  const auto s = summarise(std::vector{0.7});
  EXPECT_EQ(s.count, 1);
  EXPECT_EQ(s.mean, 0.7);
  EXPECT_EQ(s.median, 0.7);
  EXPECT_EQ(s.low, 0.7);
  EXPECT_EQ(s.high, 0.7);
  EXPECT_EQ(s.deviation, 0.0);
  EXPECT_FALSE(s.mean_interval);
}

TEST(Summarise, TwoValuesByHand) {
  const auto s = summarise(std::vector{3.0, 1.0});
  EXPECT_DOUBLE_EQ(s.mean, 2.0);
  EXPECT_DOUBLE_EQ(s.median, 2.0);
  EXPECT_DOUBLE_EQ(s.deviation, std::sqrt(2.0));
  EXPECT_EQ(s.low, 1.0);
  EXPECT_EQ(s.high, 3.0);
  // A quarter of all resamples is {1, 1}, a quarter {3, 3}.
  ASSERT_TRUE(s.mean_interval);
  EXPECT_EQ(s.mean_interval->low, 1.0);
  EXPECT_EQ(s.mean_interval->high, 3.0);
}

TEST(BootstrapMean, EqualValuesHaveAnIntervalOfNoWidth) {
  const auto interval = bootstrap_mean(std::vector<double>(7, 0.25));
  EXPECT_DOUBLE_EQ(interval.low, 0.25);
  EXPECT_DOUBLE_EQ(interval.high, 0.25);
}

TEST(BootstrapMean, SameSeedSameIntervalAndAnotherSeedNearlyTheSame) {
  const auto values = normal_values(50, 1);
  const auto one = bootstrap_mean(values, 3), again = bootstrap_mean(values, 3),
             other = bootstrap_mean(values, 4);
  EXPECT_EQ(one.low, again.low);
  EXPECT_EQ(one.high, again.high);
  EXPECT_NE(one.low, other.low);
  EXPECT_NEAR(one.low, other.low, 0.03);
  EXPECT_NEAR(one.high, other.high, 0.03);
}

TEST(BootstrapMean, IsAsWideAsTheNormalIntervalOfManyValues) {
  const auto values = normal_values(400, 2);
  const auto s = summarise(values);
  const double half = 1.96 * s.deviation / std::sqrt(400.0);
  EXPECT_NEAR(s.mean_interval->low, s.mean - half, 0.1 * half);
  EXPECT_NEAR(s.mean_interval->high, s.mean + half, 0.1 * half);
}

// Nineteen of twenty intervals should hold the true mean. With 30 values the percentile interval
// does so a little less often: 0.937 is what sqrt(29 / 30) of the width leaves.
TEST(BootstrapMean, HoldsTheTrueMeanAsOftenAsItSays) {
  constexpr int kTrials = 300;
  int held = 0;
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    const auto interval = bootstrap_mean(normal_values(30, 100 + trial), trial);
    held += interval.low <= 0.0 && interval.high >= 0.0 ? 1 : 0;
  }
  const double share = static_cast<double>(held) / kTrials;
  EXPECT_GT(share, 0.90);
  EXPECT_LT(share, 0.98);
}

TEST(PairedDifference, SeesWhatPairsShowThoughTheListsOverlap) {
  auto a = normal_values(40, 5);
  std::vector<double> b;
  const auto noise = normal_values(40, 6);
  for (std::size_t i = 0; i < a.size(); ++i) {
    b.push_back(a[i] - 0.1 + 0.05 * noise[i]);
  }
  const auto better = paired_difference(a, b);
  EXPECT_NEAR(better.mean, 0.1, 0.03);
  EXPECT_GT(better.interval.low, 0.0);
  EXPECT_FALSE(better.inside_the_noise());
  EXPECT_FALSE(paired_difference(b, a).inside_the_noise());
  EXPECT_TRUE(paired_difference(a, a).inside_the_noise());
  EXPECT_TRUE(paired_difference(noise, normal_values(40, 7)).inside_the_noise());
}

TEST(PairedDifference, WhatIsNoNumberShowsNothing) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE((PairedDifference{nan, {nan, nan}}.inside_the_noise()));
}

}  // namespace
}  // namespace medaug
