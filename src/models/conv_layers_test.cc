// SPDX-License-Identifier: MIT
#include "models/conv_layers.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace medaug {
namespace {

at::Tensor random(at::IntArrayRef shape) {
  at::manual_seed(2);
  return at::randn(shape);
}

TEST(Convolution, IsAtensWithHalfTheKernelAsPadding) {
  for (const std::int64_t kernel : {1, 3, 5}) {
    for (const std::int64_t stride : {1, 2}) {
      nn::Initializer init(1);
      Convolution layer(
          {.in = 4, .out = 6, .kernel = kernel, .stride = stride, .groups = 2, .bias = true}, init);
      layer.bias.data().copy_(random({6}));
      const auto x = random({2, 4, 9, 8});
      const auto want =
          at::conv2d(x, layer.weight, layer.bias, stride, kernel / 2, /*dilation=*/1, /*groups=*/2);
      EXPECT_TRUE(at::allclose(layer.forward(x), want, 1e-5, 1e-6));
    }
  }
}

/// Outputs of a kernel of ones on ones: how many pixels of the image each window holds.
at::Tensor counts(std::int64_t size, std::int64_t kernel, std::int64_t stride) {
  nn::Initializer init(1);
  Convolution layer(
      {.in = 1, .out = 1, .kernel = kernel, .stride = stride, .padding = Padding::kSame}, init);
  layer.weight.data().fill_(1.0);
  return layer.forward(at::ones({1, 1, size, 1000}))[0][0].select(1, 100).detach() /
         static_cast<double>(kernel);
}

std::vector<double> numbers(const at::Tensor& x) {
  const auto values = x.to(at::kDouble).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

// TensorFlow's 'SAME': ceil(size / stride) outputs; of an odd number of padding pixels the larger
// half stands behind.
TEST(Convolution, SamePadsBehindFirst) {
  using ::testing::ElementsAre;
  EXPECT_THAT(numbers(counts(4, 3, 2)), ElementsAre(3, 2));     // 0 before, 1 behind
  EXPECT_THAT(numbers(counts(5, 3, 2)), ElementsAre(2, 3, 2));  // 1 and 1
  EXPECT_THAT(numbers(counts(6, 5, 2)), ElementsAre(4, 5, 3));  // 1 and 2
  EXPECT_THAT(numbers(counts(5, 3, 1)), ElementsAre(2, 3, 3, 3, 2));
  EXPECT_THAT(numbers(counts(1, 3, 2)), ElementsAre(1));
}

TEST(Convolution, WeightsHaveTheVarianceOfOneGroup) {
  nn::Initializer init(1);
  const Convolution whole({.in = 32, .out = 64}, init),
      depthwise({.in = 4096, .out = 4096, .groups = 4096}, init);
  EXPECT_NEAR(whole.weight.std().item<double>(), std::sqrt(2.0 / (64 * 9)), 2e-3);
  EXPECT_NEAR(depthwise.weight.std().item<double>(), std::sqrt(2.0 / 9), 1e-2);
}

TEST(BatchNorm, NormsByTheBatchWhileTrainingAndRemembersIt) {
  nn::Initializer init(1);
  BatchNorm layer(3, 1e-3, 0.1, init);
  layer.weight.data().copy_(at::tensor({1.0, 2.0, 3.0}));
  layer.bias.data().copy_(at::tensor({0.0, 0.5, -1.0}));
  const auto x = random({4, 3, 5, 5}) * 2.0 + 1.0;
  layer.train();
  const auto mean = x.mean({0, 2, 3}), variance = x.var({0, 2, 3}, false);
  const auto shaped = [](const at::Tensor& v) { return v.view({1, 3, 1, 1}); };
  const auto want = (x - shaped(mean)) / (shaped(variance) + 1e-3).sqrt() * shaped(layer.weight) +
                    shaped(layer.bias);
  EXPECT_TRUE(at::allclose(layer.forward(x), want, 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(layer.running_mean, mean * 0.1, 1e-4, 1e-6));
  EXPECT_TRUE(at::allclose(layer.running_var, x.var({0, 2, 3}, true) * 0.1 + 0.9, 1e-4, 1e-6));
  EXPECT_EQ(layer.num_batches_tracked.item<std::int64_t>(), 1);
}

TEST(BatchNorm, NormsByWhatItRemembersAfterwards) {
  nn::Initializer init(1);
  BatchNorm layer(2, 1e-3, 0.1, init);
  layer.running_mean.copy_(at::tensor({1.0, -1.0}));
  layer.running_var.copy_(at::tensor({4.0, 0.25}));
  layer.eval();
  const auto y = layer.forward(at::zeros({1, 2, 1, 1}));
  EXPECT_NEAR(y[0][0].item<double>(), -1.0 / std::sqrt(4.001), 1e-6);
  EXPECT_NEAR(y[0][1].item<double>(), 1.0 / std::sqrt(0.251), 1e-6);
  EXPECT_EQ(layer.num_batches_tracked.item<std::int64_t>(), 0);
}

TEST(AllTensors, AreParametersAndThenBuffers) {
  nn::Initializer init(1);
  const BatchNorm layer(2, 1e-3, 0.1, init);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : all_tensors(layer)) {
    names.push_back(name);
  }
  EXPECT_THAT(names, ::testing::ElementsAre("weight", "bias", "running_mean", "running_var",
                                            "num_batches_tracked"));
}

}  // namespace
}  // namespace medaug
