// SPDX-License-Identifier: MIT
#include "training/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "training/budget.h"
#include "training/muon.h"

namespace medaug {
namespace {

TEST(AdamW, FirstStepMovesByTheLearningRate) {
  // With bias correction the first step is lr * sign(g), whatever the size of g.
  auto p = at::tensor({1.0F, -2.0F, 3.0F}).requires_grad_();
  AdamW optimizer({{"p", p}}, {}, at::kFloat);
  p.mutable_grad() = at::tensor({0.5F, -4.0F, 0.0F});
  optimizer.step(0.1);
  EXPECT_TRUE(at::allclose(p.detach(), at::tensor({0.9F, -1.9F, 3.0F}), 0, 1e-6));
}

TEST(AdamW, Bf16NetworkRunsOnRoundedMasterWeights) {
  auto p = at::randn({100}).requires_grad_();
  AdamW optimizer({{"p", p}}, {}, at::kBFloat16, 1);
  EXPECT_EQ(p.scalar_type(), at::kBFloat16);
  for (int i = 0; i < 3; ++i) {
    p.mutable_grad() = at::randn({100}).to(at::kBFloat16);
    optimizer.step(1e-3, 1.0, {0.9});
  }
  EXPECT_TRUE(at::equal(p.detach(), optimizer.weights()[0].second.to(at::kBFloat16)));
  optimizer.use_average(0);
  EXPECT_TRUE(at::equal(p.detach(), optimizer.weights(0)[0].second.to(at::kBFloat16)));
  optimizer.use_average(-1);
  EXPECT_TRUE(at::equal(p.detach(), optimizer.weights()[0].second.to(at::kBFloat16)));
}

TEST(AdamW, AccumulatedGradientsAreTheirSum) {
  auto p = at::zeros({4}).requires_grad_();
  AdamW optimizer({{"p", p}}, {}, at::kFloat);
  for (const double g : {1.0, 2.0}) {
    p.mutable_grad() = at::full({4}, g);
    optimizer.accumulate_gradients();
  }
  EXPECT_DOUBLE_EQ(optimizer.gradient_norm(), 6.0);  // four threes
}

TEST(AdamW, NormOfAGradientWithANanIsNotFinite) {
  auto p = at::zeros({40000}).requires_grad_();
  AdamW optimizer({{"p", p}}, {}, at::kFloat);
  p.mutable_grad() = at::ones({40000});
  p.mutable_grad()[39999] = std::nan("");
  EXPECT_FALSE(std::isfinite(optimizer.gradient_norm()));
}

TEST(AdamW, StateComesBackBitForBit) {
  const auto start = at::randn({7, 5});
  const auto drive = [](AdamW& optimizer, at::Tensor& p, int from, int to) {
    for (int i = from; i < to; ++i) {
      p.mutable_grad() = at::full({7, 5}, std::sin(i));
      optimizer.step(1e-2, 1.0, {0.9});
    }
  };
  auto a = start.clone().requires_grad_(), b = start.clone().requires_grad_(),
       c = at::zeros({7, 5}).requires_grad_();
  AdamW whole({{"p", a}}, {}, at::kFloat, 1), first({{"p", b}}, {}, at::kFloat, 1),
      second({{"p", c}}, {}, at::kFloat, 1);
  drive(whole, a, 0, 6);
  drive(first, b, 0, 3);
  SafetensorsFile file;
  for (const auto& [name, tensor] : first.state()) {
    file.tensors[name] = tensor.clone();
  }
  second.load_state(file);
  drive(second, c, 3, 6);
  EXPECT_TRUE(at::equal(a.detach(), c.detach()));
  file.tensors.erase("momentum.p");
  EXPECT_THROW(second.load_state(file), Error);
}

// On a quadratic bowl, kernels and plain ATen, AdamW and Muon: state in bfloat16 is half as large
// and leads to the same place.
TEST(AdamW, Bf16StateDescendsLikeFloat32) {
  at::manual_seed(4);
  const auto start = at::randn({48, 40}), target = at::randn({48, 40});
  for (const double muon : {0.0, 5.0}) {
    std::vector<double> losses;
    for (const auto state : {at::kFloat, at::kBFloat16}) {
      auto p = start.clone().requires_grad_();
      AdamW optimizer({{"dit.x.weight", p}}, {.state = state, .seed = 3}, at::kFloat, 0,
                      {.lr_ratio = muon});
      for (int i = 0; i < 200; ++i) {
        p.mutable_grad() = p.detach() - target;
        optimizer.step(1e-2);
      }
      losses.push_back((p.detach() - target).square().mean().item<double>());
      EXPECT_EQ(optimizer.state()[1].second.scalar_type(), state);
    }
    EXPECT_LT(losses[0], 0.5 * (start - target).square().mean().item<double>());
    EXPECT_NEAR(losses[1], losses[0], 0.1 * losses[0] + 1e-4);
  }
}

TEST(Muon, UpdateIsNearlyOrthogonal) {
  at::manual_seed(3);
  const auto x = orthogonalised(at::randn({3, 24, 60}));
  const auto singular = at::linalg_svdvals(x);
  EXPECT_GT(singular.min().item<float>(), 0.5F);
  EXPECT_LT(singular.max().item<float>(), 1.4F);
}

// Tall, wide and convolutional matrices; the kernels against plain ATen in float64, whose
// orthogonal directions differ by bfloat16 rounding only.
TEST(Muon, FusedStepMatchesPlainFloat64) {
  for (const auto& shape : {std::vector<std::int64_t>{48, 16}, {16, 48}, {16, 8, 3, 3}}) {
    at::manual_seed(9);
    const auto start = at::randn(shape), gradient = at::randn(shape);
    std::vector<at::Tensor> moved, averages;
    for (const auto type : {at::kFloat, at::kDouble}) {
      auto p = start.to(type, false, true).requires_grad_();  // a copy
      AdamW optimizer({{"dit.x.weight", p}}, {.weight_decay = 0.1}, type, 1, {.lr_ratio = 2.0});
      for (int i = 0; i < 3; ++i) {
        p.mutable_grad() = (gradient * (1.0 + i)).to(type);
        optimizer.step(1e-2, 0.5, {0.9});
      }
      moved.push_back(p.detach().to(at::kDouble) - start);
      averages.push_back(optimizer.weights(0)[0].second.to(at::kDouble) - start);
    }
    EXPECT_LT((moved[0] - moved[1]).norm().item<double>(), 0.02 * moved[1].norm().item<double>());
    EXPECT_LT((averages[0] - averages[1]).norm().item<double>(),
              0.02 * averages[1].norm().item<double>());
  }
}

// The schedule ends at a rate of zero.
TEST(Muon, StepAtRateZeroChangesNothing) {
  const auto start = at::ones({8, 4});
  auto p = start.clone().requires_grad_();
  AdamW optimizer({{"dit.x.weight", p}}, {.weight_decay = 0.1}, at::kFloat, 1, {.lr_ratio = 2.0});
  p.mutable_grad() = at::randn({8, 4});
  optimizer.step(0.0, 1.0, {0.5});
  EXPECT_TRUE(at::equal(p.detach(), start));
  EXPECT_TRUE(at::equal(optimizer.weights(0)[0].second, start));
  EXPECT_TRUE(optimizer.is_finite());
  optimizer.weights()[0].second.view({-1})[3] = std::nan("");
  EXPECT_FALSE(optimizer.is_finite());
}

TEST(Muon, TakesHiddenMatricesOnly) {
  const auto matrix = at::zeros({4, 4}), vector = at::zeros({4});
  EXPECT_TRUE(is_hidden_matrix("dit.layers.0.attention.wq.weight", matrix));
  EXPECT_TRUE(is_hidden_matrix("dit.ends.down_block_0.conv1.weight", at::zeros({4, 4, 3, 3})));
  EXPECT_FALSE(is_hidden_matrix("dit.layers.0.attention.gate", vector));
  EXPECT_FALSE(is_hidden_matrix("text.embedding", matrix));
  EXPECT_FALSE(is_hidden_matrix("dit.final_layer.linear.weight", matrix));
  EXPECT_FALSE(is_hidden_matrix("dit.layers.0.adaLN_modulation.1.weight", matrix));
}

TEST(Schedule, CosineFallsFromOneToItsFloor) {
  EXPECT_DOUBLE_EQ(schedule_factor(Schedule::kCosine, 0.0, 0.1), 1.0);
  EXPECT_NEAR(schedule_factor(Schedule::kCosine, 0.5, 0.1), 0.55, 1e-12);
  EXPECT_DOUBLE_EQ(schedule_factor(Schedule::kCosine, 2.0, 0.1), 0.1) << "it never rises again";
}

TEST(Budget, FirstLimitReachedEndsTheRun) {
  TrainingOptions o;
  o.batch_size = 10;
  o.num_epochs = 2;
  o.max_steps = 40;
  o.max_minutes = 1.0;
  EXPECT_DOUBLE_EQ(budget_used(o, 10, 100, 6.0), 0.5);    // 20 steps are two epochs
  EXPECT_DOUBLE_EQ(budget_used(o, 10, 1000, 6.0), 0.25);  // steps
  EXPECT_DOUBLE_EQ(budget_used(o, 1, 1000, 54.0), 0.9);   // the clock
}

}  // namespace
}  // namespace medaug
