// SPDX-License-Identifier: MIT
#include "training/distill.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "training/flow_step.h"
#include "training/test_generator.h"

namespace medaug {
namespace {

class Distillation : public ::testing::Test {
 protected:
  void SetUp() override {
    at::manual_seed(5);
    auto model = std::make_shared<Generator>(tiny_options());
    randomise(*model, 0.15);
    conditions_ = tiny_conditions(4);
    teacher_.model = model;
    teacher_.no_text.tokens = at::zeros({1, 5}, at::kLong);
    teacher_.no_text.token_mask = at::arange(5).unsqueeze(0) < 1;
    z_ = at::randn({4, 3, 16, 16});
  }

  /// What sampling does at one time for the whole batch.
  at::Tensor sampled(double time) const {
    const auto n = z_.size(0);
    const auto no_tokens = teacher_.no_text.tokens.expand({n, 5});
    const auto no_token_mask = teacher_.no_text.token_mask.expand({n, 5});
    const auto predict = [&](const at::Tensor& z, double t, std::span<const Branch> branches) {
      std::vector<at::Tensor> out;
      const auto parts = z.chunk(static_cast<std::int64_t>(branches.size()));
      for (std::size_t i = 0; i < branches.size(); ++i) {
        auto one = conditions_;
        if (branches[i] == Branch::kNoText || branches[i] == Branch::kNothing) {
          one.tokens = no_tokens;
          one.token_mask = no_token_mask;
        }
        if (branches[i] == Branch::kNoMask || branches[i] == Branch::kNothing) {
          one.mask_present = at::zeros({n});
        }
        const auto times = at::full({n}, t);
        out.push_back(teacher_.model->predict(network_input(parts[i], times, {}), times,
                                              {teacher_.model->encode_text(one)}, one));
      }
      return at::cat(out);
    };
    return GuidedField(predict, {}, teacher_.guidance).image(z_, time);
  }

  Conditions conditions_;
  Teacher teacher_;
  at::Tensor z_;
};

TEST_F(Distillation, TargetIsWhatGuidedSamplingSees) {
  const at::NoGradGuard no_grad;
  for (const auto& [text, mask] : {std::pair{3.0, 1.0}, {1.0, 2.0}, {2.5, 1.5}}) {
    teacher_.guidance.text = text;
    teacher_.guidance.mask = mask;
    for (const double time : {0.05, 0.4, 0.95}) {  // outside, inside, outside of the interval
      const auto got = guided_image(teacher_, z_, at::full({4}, time), conditions_, {});
      EXPECT_TRUE(at::allclose(got, sampled(time), 1e-4, 1e-4))
          << text << ' ' << mask << ' ' << time;
    }
  }
  const auto mixed =
      guided_image(teacher_, z_, at::tensor({0.05, 0.4, 0.4, 0.95}), conditions_, {});
  EXPECT_TRUE(at::allclose(mixed[1], sampled(0.4)[1], 1e-4, 1e-4));
  EXPECT_TRUE(at::allclose(mixed[3], sampled(0.95)[3], 1e-4, 1e-4));
}

// The teacher itself, unguided, has a loss; a model that returned the guided image would have none.
TEST_F(Distillation, LossIsTheDistanceToTheGuidedImage) {
  teacher_.guidance.mask = 2.0;
  FlowBatch batch;
  batch.images = at::randn({4, 3, 16, 16}).clamp(-1, 1);
  batch.conditions = conditions_;
  batch.draws = {0, 1, 2, 3};
  const FlowDraws draws{at::randn({4, 3, 16, 16}), at::full({4}, 0.5)};
  FlowObjective objective;
  objective.teacher = &teacher_;
  const auto z = interpolate(batch.images, draws.noise, draws.time, {});
  const auto guided = guided_image(teacher_, z, draws.time, conditions_, {});
  auto unguided = teacher_;
  unguided.guidance.mask = 1.0;
  const auto plain = guided_image(unguided, z, draws.time, conditions_, {});
  const auto want = (guided - plain).square().flatten(1).mean(1) / 0.25;
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(at::allclose(flow_loss(*teacher_.model, batch, draws, objective), want, 1e-3, 1e-5));
  EXPECT_GT(want.min().item<float>(), 1e-4F);
  objective.teacher = &unguided;
  EXPECT_LT(flow_loss(*teacher_.model, batch, draws, objective).max().item<float>(), 1e-8F);
}

}  // namespace
}  // namespace medaug
