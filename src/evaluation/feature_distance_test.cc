// SPDX-License-Identifier: MIT
#include "evaluation/feature_distance.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>

#include "base/error.h"
#include "base/random.h"

namespace medaug {
namespace {

at::Tensor normal_rows(std::int64_t rows, std::int64_t columns, std::uint64_t number) {
  auto x = at::empty({rows, columns});
  RandomStream(4, Purpose::kPhantom, number)
      .fill_normal({x.mutable_data_ptr<float>(), static_cast<std::size_t>(x.numel())});
  return x;
}

/// The code that `call` throws; none = nothing was thrown.
template <class Call>
std::optional<ErrorCode> code_of(const Call& call) {
  try {
    call();
    return std::nullopt;
  } catch (const Error& e) {
    EXPECT_FALSE(e.hint().empty());
    return e.code();
  }
}

TEST(FrechetDistance, OfOneFeatureByHand) {
  // Means 1 and 3, deviations sqrt(2) and sqrt(8): (1 - 3)^2 + (sqrt(2) - sqrt(8))^2 = 4 + 2.
  const auto x = at::tensor({0.0, 2.0}).view({2, 1}), y = at::tensor({1.0, 5.0}).view({2, 1});
  EXPECT_NEAR(frechet_distance(x, y), 6.0, 1e-12);
  EXPECT_NEAR(frechet_distance(y, x), 6.0, 1e-12);
}

TEST(FrechetDistance, OfEqualSetsIsZeroAndNeverBelow) {
  for (const std::int64_t columns : {1, 7, 60}) {  // also more features than images
    const auto x = normal_rows(30, columns, 1);
    const double d = frechet_distance(x, x);
    EXPECT_GE(d, 0.0);
    EXPECT_LT(d, 1e-9);
  }
}

TEST(FrechetDistance, WithFewerImagesThanFeaturesIsThatOfTheirSpace) {
  // Padding with features that never change moves nothing.
  const auto x = normal_rows(8, 5, 1), y = normal_rows(9, 5, 2) + 0.3;
  const auto padded = [](const at::Tensor& a) {
    return at::cat({a, at::full({a.size(0), 40}, 2.5)}, 1);
  };
  EXPECT_NEAR(frechet_distance(padded(x), padded(y)), frechet_distance(x, y), 1e-9);
}

TEST(FrechetDistance, OfConstantSetsIsThatOfTheirMeans) {
  const auto x = at::full({4, 3}, 1.0), y = at::full({5, 3}, 3.0);
  EXPECT_NEAR(frechet_distance(x, y), 12.0, 1e-12);
  EXPECT_EQ(frechet_distance(x, x), 0.0);
}

TEST(FrechetInfinity, TakesMostOfTheBiasOfSmallSetsAway) {
  // Both from one distribution of 100 features, of fewer and fewer variance: the truth is 0.
  const auto deviation = at::arange(1, 101, at::dtype(at::kDouble)).rsqrt();
  const auto real = normal_rows(3000, 100, 1) * deviation;
  for (std::uint64_t trial = 2; trial < 5; ++trial) {
    const auto generated = normal_rows(200, 100, trial) * deviation;
    const double plain = frechet_distance(real, generated);
    const auto far = frechet_distance_infinity(real, generated);
    EXPECT_GT(plain, 0.2);
    EXPECT_LT(std::abs(far.value), 0.6 * plain);
    EXPECT_GT(far.deviation, 0.0);
    EXPECT_EQ(far.value, frechet_distance_infinity(real, generated).value);
  }
}

TEST(FrechetInfinity, OfConstantSetsIsFinite) {
  const auto found = frechet_distance_infinity(at::ones({30, 3}), at::zeros({30, 3}));
  EXPECT_NEAR(found.value, 3.0, 1e-9);
  EXPECT_NEAR(found.deviation, 0.0, 1e-9);
}

TEST(KernelDistance, OfOneDistributionIsWithinItsError) {
  const auto same = kernel_distance(normal_rows(300, 8, 1), normal_rows(250, 8, 2));
  EXPECT_LT(std::abs(same.value), 3.0 * same.deviation);
  const auto other = kernel_distance(normal_rows(300, 8, 1), normal_rows(250, 8, 2) + 0.5);
  EXPECT_GT(other.value, 5.0 * other.deviation);
}

TEST(KernelDistance, OfConstantSetsIsTheDifferenceOfTheKernels) {
  // (1 + 1)^3 + (0 + 1)^3 - 2 (0 + 1)^3
  const auto found = kernel_distance(at::ones({4, 2}), at::zeros({3, 2}));
  EXPECT_NEAR(found.value, 7.0, 1e-12);
  EXPECT_NEAR(found.deviation, 0.0, 1e-12);
}

TEST(Manifold, OfEqualSetsIsWhole) {
  const auto x = normal_rows(40, 4, 1);
  const auto m = manifold(x, x);
  EXPECT_EQ(m.precision, 1.0);
  EXPECT_EQ(m.recall, 1.0);
  EXPECT_EQ(m.coverage, 1.0);
  EXPECT_GE(m.density, 1.0);
}

TEST(Manifold, OfCopiesOfOneImageHasNoVariety) {
  const auto real = normal_rows(40, 4, 1);
  const auto m = manifold(real, real.narrow(0, 3, 1).expand({40, 4}));
  EXPECT_EQ(m.precision, 1.0);
  EXPECT_EQ(m.recall, 0.0);  // balls of no size hold nothing
  EXPECT_LT(m.coverage, 0.3);
}

TEST(Manifold, OfSetsFarApartIsEmpty) {
  const auto m = manifold(normal_rows(20, 4, 1), normal_rows(30, 4, 2) + 100.0);
  EXPECT_EQ(m.precision + m.recall + m.density + m.coverage, 0.0);
}

TEST(NearestRows, FindsItAndSaysHowFar) {
  const auto to = at::tensor({0.0, 0.0, 3.0, 4.0, 10.0, 0.0}).view({3, 2});
  const auto found = nearest_rows(at::tensor({3.0, 4.0, 0.0, -1.0}).view({2, 2}), to);
  EXPECT_THAT(found.index, ::testing::ElementsAre(1, 0));
  EXPECT_THAT(found.distance, ::testing::ElementsAre(0.0, 1.0));
}

TEST(FeatureDistance, TooFewImagesAreNamed) {
  const auto one = normal_rows(1, 3, 1), two = normal_rows(2, 3, 1), many = normal_rows(30, 3, 1);
  EXPECT_EQ(code_of([&] { frechet_distance(one, many); }), ErrorCode::kData);
  EXPECT_EQ(code_of([&] { frechet_distance(two, two); }), std::nullopt);
  EXPECT_EQ(code_of([&] { kernel_distance(many, two); }), ErrorCode::kData);
  EXPECT_EQ(code_of([&] { manifold(normal_rows(5, 3, 1), many, 5); }), ErrorCode::kData);
  EXPECT_EQ(code_of([&] { manifold(normal_rows(6, 3, 1), many, 5); }), std::nullopt);
  EXPECT_EQ(code_of([&] { frechet_distance_infinity(many, normal_rows(19, 3, 1)); }),
            ErrorCode::kData);
  EXPECT_EQ(code_of([&] { nearest_rows(many, at::empty({0, 3})); }), ErrorCode::kData);
  EXPECT_EQ(code_of([&] { frechet_distance(at::empty({9, 0}), at::empty({9, 0})); }),
            ErrorCode::kData);
}

TEST(FeatureDistance, WhatIsNoNumberIsAnErrorAndNoResult) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const auto good = normal_rows(30, 3, 1);
    auto x = good.clone();
    x[7][2] = bad;
    EXPECT_EQ(code_of([&] { frechet_distance(x, good); }), ErrorCode::kNumeric);
    EXPECT_EQ(code_of([&] { frechet_distance_infinity(good, x); }), ErrorCode::kNumeric);
    EXPECT_EQ(code_of([&] { kernel_distance(good, x); }), ErrorCode::kNumeric);
    EXPECT_EQ(code_of([&] { manifold(x, good); }), ErrorCode::kNumeric);
    EXPECT_EQ(code_of([&] { nearest_rows(x, good); }), ErrorCode::kNumeric);
  }
}

TEST(AuthenticPercent, ComparesWithTheNeighbourOfTheNeighbour) {
  // On a line: training at 0, 1 and 10, whose nearest neighbours are 1, 1 and 9 away.
  const auto training = at::tensor({0.0, 1.0, 10.0}).view({3, 1});
  const auto percent = [&](std::vector<double> at) {
    return authentic_percent(training, at::tensor(at).view({-1, 1}));
  };
  EXPECT_EQ(percent({0.5}), 0.0);
  EXPECT_EQ(percent({-1.5}), 100.0);
  EXPECT_EQ(percent({18.0, 20.0}), 50.0);
  EXPECT_EQ(percent({0.0, 2.5, 4.0, 10.0}), 50.0);
}

}  // namespace
}  // namespace medaug
