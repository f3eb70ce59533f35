// SPDX-License-Identifier: MIT
#include "evaluation/appearance.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace medaug {
namespace {

/// (3, 1, 16, 12): level (a y^2 + b x y + c x + 61 i + 17 i x) mod 256 of image i.
at::Tensor made_up(int a, int b, int c) {
  auto images = at::empty({3, 1, 16, 12});
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t y = 0; y < 16; ++y) {
      for (std::int64_t x = 0; x < 12; ++x) {
        const auto level = (a * y * y + b * x * y + c * x + 61 * i + 17 * i * x) % 256;
        images[i][0][y][x] = static_cast<double>(level) / 127.5 - 1.0;
      }
    }
  }
  return images;
}

at::Tensor blurred(const at::Tensor& images) { return at::avg_pool2d(images, 3, 1, 1); }

TEST(Sharpness, IsTheVarianceOfTheLaplacian) {
  // A spike: -4 in its place, 1 in its four neighbours, 0 in four corners; mean 0, squares 20.
  auto spike = at::zeros({1, 1, 5, 5});
  spike[0][0][2][2] = 1.0;
  EXPECT_NEAR(sharpness(spike), 20.0 / 8.0, 1e-12);
  // Of an even number of images the lower middle counts.
  EXPECT_NEAR(sharpness(at::cat({spike, spike * 2.0})), 20.0 / 8.0, 1e-6);
}

TEST(Sharpness, FallsWithBlurAndIsZeroWithoutEdges) {
  const auto images = made_up(37, 11, 53);
  EXPECT_LT(sharpness(blurred(images)), 0.2 * sharpness(images));
  EXPECT_EQ(sharpness(at::full({2, 3, 8, 8}, 0.3)), 0.0);
  EXPECT_TRUE(std::isnan(sharpness(at::zeros({2, 1, 2, 9}))));
  EXPECT_TRUE(std::isnan(sharpness(at::zeros({2, 1, 3, 3}))));
}

TEST(Sharpness, OfColourIsThatOfItsMean) {
  const auto images = made_up(37, 11, 53);
  EXPECT_NEAR(sharpness(images.expand({-1, 3, -1, -1})), sharpness(images), 1e-12);
}

TEST(SeamRatio, SeesTilesWhereTheyAre) {
  // Steps of 1 inside of patches of four, of 3 across their borders.
  const auto row = at::tensor({0., 1., 2., 3., 6., 7., 8., 9., 12., 13., 14., 15.});
  const auto images = row.expand({2, 1, 12, 12});
  EXPECT_NEAR(seam_ratio(images, 4), 3.0, 1e-12);
  EXPECT_LT(seam_ratio(images, 3), 1.0);  // they are elsewhere
  EXPECT_NEAR(seam_ratio(at::arange(12).expand({2, 1, 12, 12}), 4), 1.0, 1e-12);
}

TEST(SeamRatio, OfTilesAloneIsNotFinite) {
  const auto columns = at::arange(16).div(4, "floor").remainder(2);
  const auto checkerboard =
      (columns.unsqueeze(0) - columns.unsqueeze(1)).abs().view({1, 1, 16, 16});
  EXPECT_TRUE(std::isinf(seam_ratio(checkerboard, 4)));
  EXPECT_GT(seam_ratio(blurred(checkerboard.to(at::kFloat)), 4), 1.0);
  EXPECT_TRUE(std::isnan(seam_ratio(at::zeros({1, 1, 16, 16}), 4)));
}

TEST(Spread, IsTheDeviationOfAPixelOverTheSet) {
  auto images = at::zeros({2, 1, 2, 2});
  images[1][0][0][0] = 1.0;  // one pixel of four, deviation 1 / sqrt(2)
  EXPECT_NEAR(spread(images), std::sqrt(0.5) / 4.0, 1e-12);
  EXPECT_EQ(spread(at::full({5, 3, 4, 4}, 0.2)), 0.0);
  EXPECT_TRUE(std::isnan(spread(at::zeros({1, 1, 4, 4}))));
}

TEST(SpectrumDistance, FollowsItsDefinition) {
  // The same sums by numpy.fft.
  EXPECT_NEAR(spectrum_distance(made_up(37, 11, 53), made_up(5, 3, 19)), 0.0863144245, 1e-6);
}

TEST(SpectrumDistance, ContrastShiftsEveryDecadeAndBrightnessNone) {
  const auto images = made_up(37, 11, 53);
  EXPECT_NEAR(spectrum_distance(images, images), 0.0, 1e-12);
  EXPECT_NEAR(spectrum_distance(images, images + 0.5), 0.0, 1e-5);
  EXPECT_NEAR(spectrum_distance(images, images * 0.1), 2.0, 1e-5);  // power goes by the square
  EXPECT_GT(spectrum_distance(images, blurred(images)), 0.3);
}

TEST(SpectrumDistance, IsDefinedForFlatImagesAndOddSides) {
  EXPECT_EQ(spectrum_distance(at::zeros({2, 1, 7, 5}), at::ones({3, 1, 7, 5})), 0.0);
  EXPECT_TRUE(std::isnan(spectrum_distance(at::zeros({2, 1, 1, 1}), at::zeros({2, 1, 1, 1}))));
}

TEST(HistogramDistance, OfImagesShiftedByTenLevelsIsTen) {
  const auto images = made_up(37, 11, 53) * 0.8;
  EXPECT_NEAR(histogram_distance(images, images + 10.0 / 127.5), 10.0, 1e-4);
  EXPECT_NEAR(histogram_distance(images + 10.0 / 127.5, images), 10.0, 1e-4);
  EXPECT_EQ(histogram_distance(images, images.flip(0)), 0.0);
}

TEST(HistogramDistance, IsThatOfScipy) {
  // scipy.stats.wasserstein_distance: 5.03819; a thousand quantiles come near.
  EXPECT_NEAR(histogram_distance(made_up(37, 11, 53), made_up(5, 3, 19)), 5.03819, 0.05);
  // Half of the pixels go from 0 to 255, in sets of different sizes.
  const auto black = at::full({1, 1, 4, 4}, -1.0);
  auto half = at::full({3, 1, 4, 4}, -1.0);
  half.narrow(2, 0, 2).fill_(1.0);
  EXPECT_NEAR(histogram_distance(black, half), 127.5, 1e-9);
}

TEST(HistogramDistance, OneHotPixelHardlyCounts) {
  const auto images = at::full({1, 1, 100, 100}, -1.0);
  auto hot = images.clone();
  hot[0][0][0][0] = 1.0;
  EXPECT_LT(histogram_distance(images, hot), 0.1);  // 255 levels of a ten thousandth
}

}  // namespace
}  // namespace medaug
