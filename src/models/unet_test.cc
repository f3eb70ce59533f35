// SPDX-License-Identifier: MIT
#include "models/unet.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace medaug {
namespace {

at::Tensor images(std::int64_t channels, std::int64_t height, std::int64_t width) {
  at::manual_seed(4);
  return at::rand({2, channels, height, width}) * 2.0 - 1.0;
}

TEST(UNet, GivesAPlaneForEachClassAtTheSizeOfTheImage) {
  const UNet net({.in_channels = 3, .classes = 2, .width = 4, .levels = 4});
  for (const auto& [height, width] : {std::pair{32, 32}, {16, 40}, {33, 29}, {17, 16}, {8, 8}}) {
    const auto x = images(3, height, width);
    EXPECT_EQ(net.forward(x).sizes(), at::IntArrayRef({2, 2, height, width}));
    EXPECT_EQ(net.features(x).sizes(), at::IntArrayRef({2, 32}));
  }
}

TEST(UNet, IsNoWiderThanFiveHundredAndTwelve) {
  const UNet net({.in_channels = 1, .classes = 1, .width = 256, .levels = 3}, std::nullopt);
  std::int64_t widest = 0;
  for (const auto& parameter : net.parameters()) {
    widest = std::max(widest, parameter.size(0));
  }
  EXPECT_EQ(widest, 512);
}

TEST(UNet, AnImageDoesNotDependOnTheOthers) {
  const UNet net({.in_channels = 1, .classes = 1, .width = 4, .levels = 3});
  const auto x = images(1, 16, 16);
  EXPECT_TRUE(
      at::allclose(net.forward(x.narrow(0, 1, 1)), net.forward(x).narrow(0, 1, 1), 1e-4, 1e-5));
}

TEST(UNet, BrightnessAndContrastOfAPlainImageAreNormedAway) {
  // Instance norm: what counts is the picture, not its level. The border sees the zero padding.
  const UNet net({.in_channels = 1, .classes = 1, .width = 4, .levels = 2});
  const auto x = images(1, 24, 24);
  EXPECT_TRUE(at::allclose(net.forward(x * 0.5), net.forward(x), 1e-3, 1e-3));
}

TEST(UNet, EveryParameterLearns) {
  const UNet net({.in_channels = 3, .classes = 2, .width = 4, .levels = 3});
  net.forward(images(3, 16, 16)).square().sum().backward();
  for (const auto& item : net.named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
    EXPECT_GT(item.value().grad().abs().max().item<double>(), 0.0) << item.key();
  }
}

TEST(UNet, TheSameSeedGivesTheSameWeights) {
  const auto weight = [](std::uint64_t seed) {
    return UNet({.in_channels = 1, .classes = 1, .width = 4, .levels = 2}, seed).parameters()[0];
  };
  EXPECT_TRUE(weight(1).equal(weight(1)));
  EXPECT_FALSE(weight(1).equal(weight(2)));
}

}  // namespace
}  // namespace medaug
