// SPDX-License-Identifier: MIT
#include "training/flow_step.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <mutex>
#include <vector>

#include "training/sampling.h"
#include "training/test_generator.h"

namespace medaug {
namespace {

class InParts : public ::testing::Test {
 protected:
  void SetUp() override {
    at::manual_seed(3);
    before_ = omp_get_max_threads();
    omp_set_num_threads(3);
    randomise(model_, 0.1);
  }
  void TearDown() override { omp_set_num_threads(before_); }

  /// Images of 16 x 16 with seeds from 1 on.
  SamplingRequest request(std::int64_t n) {
    for (std::int64_t i = 1; i <= n; ++i) {
      seeds_.push_back(i);
    }
    SamplingRequest r;
    r.conditions = tiny_conditions(n);
    r.seeds = seeds_;
    r.height = r.width = 16;
    return r;
  }

  Generator model_{tiny_options()};

 private:
  int before_ = 1;
  std::vector<std::int64_t> seeds_;
};

// Thirteen images do not divide by three threads.
TEST_F(InParts, GradientsAreThoseOfTheWholeBatch) {
  FlowBatch batch;
  batch.images = at::randn({13, 3, 16, 16}).clamp(-1, 1);
  batch.conditions = tiny_conditions(13);
  for (std::int64_t i = 0; i < 13; ++i) {
    batch.draws.push_back(i);
  }
  const auto draws = draw_noise_and_time(batch, {}, 1);
  const auto loss = flow_loss(model_, batch, draws).mean();
  (0.5 * loss).backward();
  std::vector<at::Tensor> want;
  for (const auto& parameter : model_.parameters()) {
    want.push_back(parameter.grad());
  }
  const auto parameters = model_.parameters();
  for (const bool checkpointed : {false, true}) {
    FlowObjective objective;
    objective.call.checkpoint_activations = checkpointed;
    EXPECT_NEAR(flow_gradients(model_, batch, draws, objective, 0.5), loss.item<double>(), 1e-5);
    int reached = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      const auto& got = parameters[i].grad();
      ASSERT_EQ(got.defined(), want[i].defined()) << i;
      if (got.defined()) {
        ++reached;
        EXPECT_TRUE(at::allclose(got, want[i], 1e-4, 1e-6)) << i;
      }
    }
    EXPECT_GT(reached, 40);
  }
}

TEST_F(InParts, ImagesAreThoseOfOneThread) {
  const auto wanted = request(13);
  SamplingSettings settings;
  settings.sampler.steps = 4;
  int steps = 0;
  const auto images = sample_images(model_, wanted, settings,
                                    {.on_step = [&](std::int64_t, std::int64_t, const at::Tensor&) {
                                      ++steps;
                                      return true;
                                    }});
  EXPECT_EQ(steps, 4);
  omp_set_num_threads(1);
  const auto alone = sample_images(model_, wanted, settings);
  EXPECT_LT((images - alone).abs().max().item<float>(), 1e-4F);
  EXPECT_GT(images.std().item<float>(), 0.1F);
}

TEST_F(InParts, CancelEndsAllParts) {
  const auto wanted = request(8);
  SamplingSettings settings;
  settings.sampler.steps = 2000;
  int steps = 0;
  const auto images = sample_images(
      model_, wanted, settings,
      {.on_step = [&](std::int64_t, std::int64_t, const at::Tensor&) { return ++steps < 2; }});
  EXPECT_EQ(steps, 2);
  EXPECT_EQ(images.size(0), 8);
}

TEST_F(InParts, EstimatesOfAllImagesAreSeenAndEndInTheImages) {
  const auto wanted = request(7);
  SamplingSettings settings;
  settings.sampler.steps = 3;
  std::mutex mutex;
  auto last = at::zeros({7, 3, 16, 16});
  auto seen = at::zeros({7}, at::kLong);
  SamplingWatch watch;
  watch.on_estimate = [&](std::int64_t first, const at::Tensor& estimate) {
    const std::lock_guard lock(mutex);
    last.narrow(0, first, estimate.size(0)).copy_(estimate);
    seen.narrow(0, first, estimate.size(0)).add_(1);
  };
  const auto images = sample_images(model_, wanted, settings, watch);
  EXPECT_TRUE(seen.eq(3).all().item<bool>());
  EXPECT_LT((last.clamp(-1, 1) - images).abs().max().item<float>(), 1e-4F);
}

TEST_F(InParts, AnImageIsKeptOutsideOfItsRegionAndOnlyThere) {
  auto wanted = request(5);
  SamplingSettings settings;
  settings.sampler.steps = 4;
  const auto free = sample_images(model_, wanted, settings);
  wanted.init = at::rand({5, 3, 16, 16}) * 2 - 1;
  wanted.region = at::zeros({5, 1, 16, 16}, at::kBool);
  wanted.region.narrow(2, 4, 8).narrow(3, 4, 8).fill_(true);
  const auto inside = wanted.region.expand({5, 3, 16, 16});
  for (const auto solver : {Solver::kEuler, Solver::kHeun, Solver::kRk4, Solver::kUnipc}) {
    settings.sampler.solver = solver;
    const auto images = sample_images(model_, wanted, settings);
    EXPECT_TRUE(images.eq(wanted.init).logical_or(inside).all().item<bool>());
    EXPECT_FALSE(images.eq(wanted.init).logical_and(inside).any().item<bool>());
  }
  wanted.region.fill_(true);  // everywhere: as if there were no image
  settings.sampler.solver = SamplerOptions().solver;
  EXPECT_TRUE(at::equal(sample_images(model_, wanted, settings), free));
}

}  // namespace
}  // namespace medaug
