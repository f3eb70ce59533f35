// SPDX-License-Identifier: MIT
#include "nn/group_norm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

namespace medaug::nn {
namespace {

using at::Tensor;

constexpr auto kInner = at::MemoryFormat::ChannelsLast;

double relative_rms(const Tensor& got, const Tensor& want) {
  const auto difference = (got.to(at::kDouble) - want).square().mean().sqrt();
  return (difference / want.square().mean().sqrt()).item<double>();
}

class GroupNorm : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(1); }
};

TEST_F(GroupNorm, OfHandValues) {
  // One group of two channels and two places: mean 2, variance 5; (x - 2) / sqrt(5) * weight + bias
  const auto x = at::tensor({-1.0F, 1.0F, 3.0F, 5.0F}).view({1, 2, 1, 2});
  const auto y =
      group_norm(x, at::tensor({1.0F, 10.0F}), at::tensor({0.0F, 0.5F}), {.groups = 1, .eps = 0.0})
          .contiguous()
          .flatten();
  const double std = std::sqrt(5.0);
  EXPECT_NEAR(y[0].item<double>(), -3.0 / std, 1e-6);
  EXPECT_NEAR(y[1].item<double>(), -1.0 / std, 1e-6);
  EXPECT_NEAR(y[2].item<double>(), 10.0 / std + 0.5, 1e-5);
  EXPECT_NEAR(y[3].item<double>(), 30.0 / std + 0.5, 1e-5);
}

TEST_F(GroupNorm, MatchesFloat64) {
  for (const std::int64_t channels : {4, 12, 32, 76}) {
    for (const auto activation : {Activation::kNone, Activation::kSilu}) {
      for (const auto layout : {at::MemoryFormat::Contiguous, kInner}) {
        const GroupNormOptions options{.groups = 4, .activation = activation};
        const auto x = (1.0 + 2.0 * at::randn({2, channels, 23, 31}, at::kDouble))
                           .to(at::kBFloat16)
                           .contiguous(layout);
        const auto weight = 1.0 + 0.1 * at::randn({channels}), bias = at::randn({channels});
        const auto want = reference::group_norm(x.to(at::kDouble), weight, bias, options);
        const auto narrow = group_norm(x, weight, bias, options);
        EXPECT_TRUE(narrow.is_contiguous(kInner));
        EXPECT_EQ(narrow.scalar_type(), at::kBFloat16);
        EXPECT_LT(relative_rms(narrow, want), 4e-3);
        EXPECT_LT(relative_rms(group_norm(x.to(at::kFloat), weight, bias, options), want), 2e-6);
      }
    }
  }
}

TEST_F(GroupNorm, KeepsItsPrecisionFarFromZero) {
  const auto x = 1000.0F + at::randn({1, 16, 96, 96});
  const auto ones = at::ones({16}), zeros = at::zeros({16});
  const auto want = reference::group_norm(x.to(at::kDouble), ones, zeros, {.groups = 4});
  EXPECT_LT(relative_rms(group_norm(x, ones, zeros, {.groups = 4}), want), 1e-4);
}

TEST_F(GroupNorm, ReuseWritesOverTheInputAndGivesTheSame) {
  const auto x = at::randn({2, 8, 20, 20}).contiguous(kInner);
  const auto weight = at::randn({8}), bias = at::randn({8});
  const GroupNormOptions options{.groups = 2, .activation = Activation::kSilu};
  const auto want = group_norm(x, weight, bias, options);
  EXPECT_FALSE(at::equal(x, want));
  const auto got = group_norm(x, weight, bias, options, Storage::kReuse);
  EXPECT_EQ(got.data_ptr(), x.data_ptr());
  EXPECT_TRUE(at::equal(got, want));
}

TEST_F(GroupNorm, DoesNotDependOnThreadsOrBatch) {
  const auto x = at::randn({3, 32, 61, 47}).contiguous(kInner);
  const auto weight = at::randn({32}), bias = at::randn({32});
  const GroupNormOptions options{.groups = 8, .activation = Activation::kSilu};
  const auto want = group_norm(x, weight, bias, options);
  const int threads = at::get_num_threads();
  at::set_num_threads(threads == 1 ? 2 : 1);
  EXPECT_TRUE(at::equal(group_norm(x, weight, bias, options), want));
  at::set_num_threads(threads);
  EXPECT_TRUE(
      at::equal(group_norm(x.narrow(0, 1, 1), weight, bias, options), want.narrow(0, 1, 1)));
}

}  // namespace
}  // namespace medaug::nn
