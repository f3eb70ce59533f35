// SPDX-License-Identifier: MIT
#include "evaluation/radiomics.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace medaug {
namespace {

using Features = std::map<std::string, double>;

Features named(const at::Tensor& image) {
  const auto values = radiomics(image);
  Features out;
  for (std::size_t i = 0; i < radiomics_names().size(); ++i) {
    out[radiomics_names()[i]] = values[static_cast<std::int64_t>(i)].item<double>();
  }
  return out;
}

/// Levels 0..255 of 7 x 9 pixels, without a pattern that the eye would find.
at::Tensor made_up() {
  auto image = at::empty({1, 7, 9});
  for (std::int64_t y = 0; y < 7; ++y) {
    for (std::int64_t x = 0; x < 9; ++x) {
      const auto level = (37 * y * y + 11 * x * y + 53 * x) % 256;
      image[0][y][x] = static_cast<double>(level) / 127.5 - 1.0;
    }
  }
  return image;
}

/// An image whose 32 grey levels are these numbers.
at::Tensor of_levels(const std::vector<std::vector<int>>& rows) {
  const auto height = std::ssize(rows), width = std::ssize(rows.front());
  auto image = at::empty({1, height, width});
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const int level = rows[static_cast<std::size_t>(y)][static_cast<std::size_t>(x)];
      image[0][y][x] = (level + 0.5) / 16.0 - 1.0;
    }
  }
  return image;
}

// From a program of its own in NumPy, straight from the sums of the reference manual. That program
// gives all values of the manual's tables for the digital phantom (2D, slice-merged), and its
// co-occurrence features those of scikit-image 0.26.
TEST(Radiomics, FollowsTheReferenceManual) {
  const Features wanted{{"mean", 0.510364146},
                        {"variance", 0.0887887355},
                        {"skewness", 0.0312291039},
                        {"excess_kurtosis", -1.14829399},
                        {"median", 0.529411765},
                        {"percentile_10", 0.135686275},
                        {"percentile_90", 0.925490196},
                        {"interquartile_range", 0.437254902},
                        {"range", 0.996078431},
                        {"mean_absolute_deviation", 0.257756436},
                        {"root_mean_square", 0.590982484},
                        {"entropy", 4.491202},
                        {"uniformity", 0.0516502897},
                        {"joint_maximum", 0.0145631068},
                        {"joint_variance", 86.9469024},
                        {"joint_entropy", 7.96538948},
                        {"angular_second_moment", 0.00472476199},
                        {"contrast", 176.199029},
                        {"dissimilarity", 11.315534},
                        {"difference_entropy", 4.63905014},
                        {"sum_entropy", 5.46963068},
                        {"inverse_difference", 0.142191826},
                        {"correlation", -0.0132565064},
                        {"cluster_shade_root", 2.42572155},
                        {"cluster_prominence_root", 16.3393652},
                        {"log_coarseness", -1.4311254},
                        {"tone_contrast", 2.18083964}};
  const auto got = named(made_up());
  EXPECT_EQ(got.size(), wanted.size());
  for (const auto& [name, value] : wanted) {
    ASSERT_TRUE(got.contains(name)) << name;
    EXPECT_NEAR(got.at(name), value, 1e-6 * std::max(1.0, std::abs(value))) << name;
  }
}

// The first slice of the manual's digital phantom has no hole, and the manual prints its matrices:
// merged co-occurrences 1-1 22, 1-4 17, 1-6 6, 4-4 16, 4-6 11, 6-6 4 (110 in all, the mixed ones in
// both orders); tone differences 1: 14.575 of 9 pixels, 4: 5.775 of 8, 6: 7.325 of 3.
TEST(Radiomics, DigitalPhantomHasThePrintedMatrices) {
  const auto got =
      named(of_levels({{1, 4, 4, 1, 1}, {1, 4, 6, 1, 1}, {4, 1, 6, 4, 1}, {4, 4, 6, 4, 1}}));
  EXPECT_NEAR(got.at("joint_maximum"), 22.0 / 110.0, 1e-12);
  EXPECT_NEAR(got.at("angular_second_moment"),
              (22.0 * 22 + 16 * 16 + 4 * 4 + 2 * (17 * 17 + 6 * 6 + 11 * 11)) / (110.0 * 110),
              1e-12);
  EXPECT_NEAR(got.at("contrast"), 2 * (17.0 * 9 + 6 * 25 + 11 * 4) / 110, 1e-12);
  EXPECT_NEAR(got.at("dissimilarity"), 2 * (17.0 * 3 + 6 * 5 + 11 * 2) / 110, 1e-12);
  const double coarse = (9 * 14.575 + 8 * 5.775 + 3 * 7.325) / 20;
  EXPECT_NEAR(got.at("log_coarseness"), -std::log10(coarse), 1e-12);
  const double range = 2 * (9.0 * 8 * 9 + 9 * 3 * 25 + 8 * 3 * 4) / 400 / (3 * 2);
  EXPECT_NEAR(got.at("tone_contrast"), range * (14.575 + 5.775 + 7.325) / 20, 1e-12);
}

TEST(Radiomics, AreFiniteForAnyImage) {
  for (const double level : {-1.0, 0.1, 1.0}) {
    for (const auto& size : {std::pair{1, 1}, {1, 2}, {2, 1}, {1, 9}, {3, 3}, {40, 5}}) {
      const auto values = radiomics(at::full({3, size.first, size.second}, level));
      EXPECT_EQ(values.size(0), std::ssize(radiomics_names()));
      EXPECT_TRUE(values.isfinite().all().item<bool>()) << size.first << " x " << size.second;
    }
  }
  const auto two = named(of_levels({{3, 8}}));
  EXPECT_DOUBLE_EQ(two.at("contrast"), 25.0);
  EXPECT_DOUBLE_EQ(two.at("correlation"), -1.0);
}

TEST(Radiomics, FlatImageHasNoTexture) {
  const auto flat = named(at::zeros({1, 8, 8}));
  for (const char* const name : {"variance", "skewness", "excess_kurtosis", "entropy", "contrast",
                                 "joint_entropy", "tone_contrast"}) {
    EXPECT_EQ(flat.at(name), 0.0) << name;
  }
  EXPECT_DOUBLE_EQ(flat.at("uniformity"), 1.0);
  EXPECT_DOUBLE_EQ(flat.at("correlation"), 1.0);
  EXPECT_DOUBLE_EQ(flat.at("log_coarseness"), 6.0);  // the manual's limit of 10^6
}

TEST(Radiomics, ColourCountsByItsLuma) {
  const auto grey = made_up();
  EXPECT_TRUE(at::allclose(radiomics(grey.expand({3, -1, -1})), radiomics(grey), 1e-5, 1e-6));
  auto green = at::full({3, 4, 4}, -1.0);
  green[1].fill_(1.0);
  EXPECT_NEAR(named(green).at("mean"), 0.587, 1e-7);
}

TEST(Radiomics, TextureTurnsWithTheImage) {
  const auto image = made_up();
  const auto turned = image.rot90(1, {1, 2}).contiguous();
  EXPECT_TRUE(at::allclose(radiomics(turned), radiomics(image), 1e-9, 1e-9));
}

}  // namespace
}  // namespace medaug
