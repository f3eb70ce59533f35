// SPDX-License-Identifier: MIT
#include "training/flow_step.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <vector>

#include "training/sampling.h"

namespace medaug {
namespace {

GeneratorOptions tiny() {
  GeneratorOptions o;
  o.vocabulary = 20;
  o.text.dim = 16;
  o.text.layers = 1;
  o.text.heads = 2;
  o.dit.patch_size = 4;
  o.dit.dim = 32;
  o.dit.layers = 2;
  o.dit.heads = 2;
  o.dit.caption_dim = o.text.dim;
  return o;
}

Conditions conditions_of(const GeneratorOptions& o, std::int64_t n) {
  Conditions c;
  c.tokens = at::randint(3, o.vocabulary, {n, 5}, at::kLong);
  c.token_mask = at::ones({n, 5}, at::kBool);
  c.mask = at::rand({n, o.dit.mask_classes, 16, 16});
  c.mask_present = at::ones({n});
  return c;
}

void randomise(Generator& model) {
  const at::NoGradGuard no_grad;
  for (auto& parameter : model.parameters()) {
    parameter.copy_(at::randn(parameter.sizes()) * 0.1);
  }
}

class InParts : public ::testing::Test {
 protected:
  void SetUp() override {
    at::manual_seed(3);
    before_ = omp_get_max_threads();
    omp_set_num_threads(3);
  }
  void TearDown() override { omp_set_num_threads(before_); }

  int before_ = 1;
};

// Thirteen images do not divide by three threads.
TEST_F(InParts, GradientsAreThoseOfTheWholeBatch) {
  const auto o = tiny();
  Generator model(o);
  randomise(model);
  FlowBatch batch;
  batch.images = at::randn({13, 3, 16, 16}).clamp(-1, 1);
  batch.conditions = conditions_of(o, 13);
  for (std::int64_t i = 0; i < 13; ++i) {
    batch.draws.push_back(i);
  }
  const auto draws = draw_noise_and_time(batch, {}, 1);
  const auto loss = flow_loss(model, batch, draws).mean();
  (0.5 * loss).backward();
  std::vector<at::Tensor> want;
  for (const auto& parameter : model.parameters()) {
    want.push_back(parameter.grad());
  }
  EXPECT_NEAR(flow_gradients(model, batch, draws, {}, 0.5), loss.item<double>(), 1e-5);
  const auto parameters = model.parameters();
  int reached = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const auto& got = parameters[i].grad();
    ASSERT_EQ(got.defined(), want[i].defined());
    if (got.defined()) {
      ++reached;
      EXPECT_TRUE(at::allclose(got, want[i], 1e-4, 1e-6)) << i;
    }
  }
  EXPECT_GT(reached, 40);
}

TEST_F(InParts, ImagesAreThoseOfOneThread) {
  const auto o = tiny();
  Generator model(o);
  randomise(model);
  SamplingRequest request;
  request.conditions = conditions_of(o, 13);
  const std::vector<std::int64_t> seeds{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
  request.seeds = seeds;
  request.height = request.width = 16;
  SamplingSettings settings;
  settings.sampler.steps = 4;
  int steps = 0;
  const auto images =
      sample_images(model, request, settings, [&](std::int64_t, std::int64_t, const at::Tensor&) {
        ++steps;
        return true;
      });
  EXPECT_EQ(steps, 4);
  omp_set_num_threads(1);
  const auto alone = sample_images(model, request, settings);
  EXPECT_LT((images - alone).abs().max().item<float>(), 1e-4F);
  EXPECT_GT(images.std().item<float>(), 0.1F);
}

TEST_F(InParts, CancelEndsAllParts) {
  const auto o = tiny();
  Generator model(o);
  randomise(model);
  SamplingRequest request;
  request.conditions = conditions_of(o, 8);
  const std::vector<std::int64_t> seeds{1, 2, 3, 4, 5, 6, 7, 8};
  request.seeds = seeds;
  request.height = request.width = 16;
  SamplingSettings settings;
  settings.sampler.steps = 2000;
  int steps = 0;
  const auto images =
      sample_images(model, request, settings,
                    [&](std::int64_t, std::int64_t, const at::Tensor&) { return ++steps < 2; });
  EXPECT_EQ(steps, 2);
  EXPECT_EQ(images.size(0), 8);
}

}  // namespace
}  // namespace medaug
