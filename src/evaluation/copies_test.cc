// SPDX-License-Identifier: MIT
#include "evaluation/copies.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/random.h"
#include "evaluation/planted_copies.h"

namespace medaug {
namespace {

/// Each picture is a sum of waves of its own: smooth, with detail at all the scales looked at.
at::Tensor pictures(std::int64_t count, std::uint64_t number) {
  constexpr std::int64_t kSide = 64;
  const auto axis = (at::arange(kSide, at::kFloat) + 0.5F) / kSide;
  std::vector<at::Tensor> out;
  for (std::int64_t i = 0; i < count; ++i) {
    RandomStream random(number, Purpose::kPhantom, static_cast<std::uint64_t>(i));
    auto picture = at::zeros({kSide, kSide});
    for (int wave = 0; wave < 24; ++wave) {
      const double fx = random.uniform(-9.0, 9.0), fy = random.uniform(-9.0, 9.0);
      const double phase = random.uniform(0.0, 2.0 * std::numbers::pi);
      const auto angle = axis.view({1, -1}) * (2.0 * std::numbers::pi * fx) +
                         axis.view({-1, 1}) * (2.0 * std::numbers::pi * fy) + phase;
      picture += angle.sin() / (1.0 + 0.3 * std::hypot(fx, fy));
    }
    out.push_back((picture / 4.0).clamp(-1.0, 1.0).unsqueeze(0));
  }
  return at::stack(out);
}

GreyPicture grey(const at::Tensor& image) {
  const auto flat = image.to(at::kFloat).contiguous();
  const auto* const data = flat.const_data_ptr<float>();
  return {image.size(-1), std::vector<float>(data, data + flat.numel())};
}

TEST(LocalDetail, DoesNotSeeBrightnessAndContrast) {
  const auto image = pictures(1, 1)[0] * 0.5;
  const auto plain = local_detail(grey(image), 1.0);
  const auto other = local_detail(grey(image * 0.8 + 0.1), 1.0);
  double difference = 0.0, size = 0.0;
  for (std::size_t i = 0; i < plain.values.size(); ++i) {
    difference += std::pow(plain.values[i] - other.values[i], 2);
    size += std::pow(plain.values[i], 2);
  }
  EXPECT_LT(difference, 1e-3 * size);
  EXPECT_GT(size, 0.3 * static_cast<double>(plain.values.size()));
}

TEST(Align, FindsATurnAScaleAndAShift) {
  const auto image = pictures(1, 2);
  const double angle = 0.07, scale = 0.93;
  const auto c = static_cast<float>(scale * std::cos(angle));
  const auto s = static_cast<float>(scale * std::sin(angle));
  const auto theta = at::tensor({c, -s, 0.04F, s, c, -0.03F}).view({1, 2, 3});
  const auto grid = at::affine_grid_generator(theta, image.sizes(), false);
  const auto query = local_detail(grey(at::grid_sampler(image, grid, 2, 1, false)), 1.0);
  const auto found = align(query, local_detail(grey(image), 1.0), Pose{}, 12);
  EXPECT_GT(found.correlation, 0.98);
  EXPECT_NEAR(found.pose.turn[0], c, 0.005);
  EXPECT_NEAR(found.pose.turn[1], -s, 0.005);
  EXPECT_NEAR(found.pose.turn[2], s, 0.005);
  EXPECT_NEAR(found.pose.turn[3], c, 0.005);
  EXPECT_NEAR(found.pose.shift[0], 0.04, 0.005);
  EXPECT_NEAR(found.pose.shift[1], -0.03, 0.005);
}

TEST(Align, RefusesPicturesThatHardlyOverlap) {
  const auto detail = local_detail(grey(pictures(1, 3)), 1.0);
  const Pose away{{1.0F, 0.0F, 0.0F, 1.0F}, {1.3F, 0.0F}};
  EXPECT_EQ(align(detail, detail, away, 3).correlation, -1.0);
  EXPECT_EQ(unexplained_detail(detail, detail, away), 1.0);
}

TEST(UnexplainedDetail, IsNothingForTheSameAndAllForAnother) {
  const auto two = pictures(2, 4);
  const auto a = grey(two[0]), b = grey(two[1]);
  EXPECT_LT(unexplained_detail(a, a, Pose{}), 1e-3);
  EXPECT_GT(unexplained_detail(a, b, Pose{}), 0.8);
  EXPECT_LT(unexplained_detail(grey(two[0].clamp(-0.9, 0.9).pow(3) * 0.4 + 0.2), a, Pose{}), 0.15);
  // The energies of the bands of r and of q, r = q / 10: a hundredth each.
  const auto most = grey(two[1] + 0.1 * two[0]);
  EXPECT_NEAR(unexplained_detail(most, b, Pose{}), 0.01, 0.005);
}

TEST(UnexplainedDetail, NoiseIsNotDetail) {
  const auto image = pictures(1, 5);
  auto noise = at::empty_like(image);
  RandomStream(5, Purpose::kNoise)
      .fill_normal({noise.mutable_data_ptr<float>(), static_cast<std::size_t>(noise.numel())});
  EXPECT_LT(unexplained_detail(grey(image + 0.1 * noise), grey(image), Pose{}), 0.05);
}

TEST(UnexplainedDetail, OfABlankPictureIsAll) {
  const auto blank = grey(at::zeros({64, 64}));
  EXPECT_EQ(unexplained_detail(blank, grey(pictures(1, 6)), Pose{}), 1.0);
}

TEST(PlantCopies, TakesTurnsAndIsReproducible) {
  const auto training = pictures(5, 7);
  const auto a = plant_copies(training, 10, 3), b = plant_copies(training, 10, 3);
  EXPECT_TRUE(a.images.equal(b.images));
  EXPECT_FALSE(a.images.equal(plant_copies(training, 10, 4).images));
  EXPECT_EQ(a.kind[0], "flip");
  EXPECT_EQ(a.kind[4], "rotation");
  EXPECT_EQ(a.kind[5], "flip");
  for (std::int64_t i = 0; i < 10; ++i) {
    const auto& source = training[a.source[static_cast<std::size_t>(i)]];
    EXPECT_GT((a.images[i] - source).abs().max().item<double>(), 0.02) << i;
  }
  const auto& mirrored = a.images[0];
  const auto& source = training[a.source[0]];
  const bool known = at::allclose(mirrored, source.flip({1}), 0.0, 0.02) ||
                     at::allclose(mirrored, source.flip({2}), 0.0, 0.02) ||
                     at::allclose(mirrored, source.flip({1, 2}), 0.0, 0.02);
  EXPECT_TRUE(known);
}

TEST(CopyIndex, FindsTheSourceOfChangedImages) {
  const auto training = pictures(150, 8);
  const CopyIndex index(training);
  const auto planted = plant_copies(training, 50, 1);
  const auto found = index.nearest(planted.images);
  const auto others = index.nearest(pictures(50, 9));
  double least = 1.0, most = 0.0;
  int right = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    right += found[i].training == planted.source[i] ? 1 : 0;
    least = std::min(least, found[i].score);
    most = std::max(most, others[i].score);
  }
  EXPECT_EQ(right, 50);
  EXPECT_GT(least, most);
}

TEST(CopyIndex, WorksWithOneTrainingImage) {
  const auto training = pictures(1, 10);
  const auto found = CopyIndex(training).nearest(training);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].training, 0);
  EXPECT_GT(found[0].score, 0.999);
}

}  // namespace
}  // namespace medaug
