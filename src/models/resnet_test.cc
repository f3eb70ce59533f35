// SPDX-License-Identifier: MIT
#include "models/resnet.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace medaug {
namespace {

at::Tensor images(std::int64_t channels, std::int64_t height, std::int64_t width) {
  return at::linspace(-1.0, 1.0, 2 * channels * height * width).view({2, channels, height, width});
}

ResNetOptions narrow(bool bottleneck) {
  ResNetOptions options;
  options.blocks = {1, 2, 1};
  options.bottleneck = bottleneck;
  options.width = 8;
  options.classes = 3;
  return options;
}

TEST(ResNet, GivesFeaturesAndClassesAtEvenAndOddSizes) {
  for (const bool bottleneck : {false, true}) {
    ResNet network(narrow(bottleneck));
    network.eval();
    for (const std::int64_t side : {32, 45}) {
      const auto features = network.features(images(3, side, side + 7));
      EXPECT_EQ(features.sizes(), at::IntArrayRef({2, bottleneck ? 128 : 32}));
      EXPECT_EQ(network.classify(features).sizes(), at::IntArrayRef({2, 3}));
    }
  }
}

TEST(ResNet, StagesHalveTheSideBehindTheFirst) {
  ResNet network(narrow(false));
  network.eval();
  const auto stages = network.stages(images(3, 64, 64));
  ASSERT_EQ(stages.size(), 5U);
  const std::int64_t sides[] = {32, 16, 16, 8, 4};
  for (std::size_t i = 0; i < stages.size(); ++i) {
    EXPECT_EQ(stages[i].size(2), sides[i]) << i;
  }
}

TEST(ResNet, FewBlocksHaveTorchvisionsKeys) {
  ResNet network(narrow(true));
  std::set<std::string> keys;
  for (const auto& [name, tensor] : all_tensors(network)) {
    keys.insert(name);
  }
  for (const char* const key :
       {"conv1.weight", "bn1.running_var", "layer1.0.conv3.weight", "layer1.0.downsample.0.weight",
        "layer2.0.downsample.1.num_batches_tracked", "layer2.1.bn2.bias", "fc.bias"}) {
    EXPECT_TRUE(keys.contains(key)) << key;
  }
  EXPECT_FALSE(keys.contains("layer2.1.downsample.0.weight")) << "the shape stays there";
}

TEST(ResNet, PreparesGreyImagesAsImageNetsAre) {
  const ResNet network(narrow(false));
  const auto white = network.prepare(at::ones({1, 1, 10, 10}), 20);
  ASSERT_EQ(white.sizes(), at::IntArrayRef({1, 3, 20, 20}));
  EXPECT_NEAR(white[0][0][5][5].item<double>(), (1.0 - 0.485) / 0.229, 1e-5);
  EXPECT_NEAR(white[0][2][5][5].item<double>(), (1.0 - 0.406) / 0.225, 1e-5);
}

TEST(ResNet, TheSmallOneReadsItsImagesAsTheyAre) {
  for (const std::int64_t side : {32, 64, 128}) {
    ResNet network(small_resnet(1, side, 4));
    network.eval();
    EXPECT_GT(nn::parameter_count(network), 300'000);
    EXPECT_LT(nn::parameter_count(network), 700'000);
    const auto x = images(1, side, side);
    EXPECT_TRUE(network.prepare(x, 0).is_same(x));
    EXPECT_EQ(network.classify(network.features(x)).sizes(), at::IntArrayRef({2, 4}));
  }
}

TEST(ResNet, TheSameSeedGivesTheSameWeights) {
  const auto weights = [](std::uint64_t seed) {
    return all_tensors(ResNet(narrow(false), seed)).front().second;
  };
  EXPECT_TRUE(weights(1).equal(weights(1)));
  EXPECT_FALSE(weights(1).equal(weights(2)));
}

}  // namespace
}  // namespace medaug
