// SPDX-License-Identifier: MIT
#include "models/nextdit.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "models/generator.h"
#include "models/patches.h"
#include "nn/ops.h"

namespace medaug {
namespace {

NextDiTOptions tiny(std::vector<std::int64_t> conv_channels = {}) {
  NextDiTOptions o;
  o.patch_size = 4;
  o.dim = 32;
  o.layers = 2;
  o.heads = 2;
  o.ffn_multiple_of = 16;
  o.caption_dim = 16;
  o.augment_features = 3;
  o.conv_channels = std::move(conv_channels);
  return o;
}

NextDiTInput input(const NextDiTOptions& o, std::int64_t n, std::int64_t height,
                   std::int64_t width) {
  at::manual_seed(5);
  NextDiTInput in;
  in.x = at::randn({n, o.in_channels, height, width});
  in.time = at::rand({n});
  in.caption = at::randn({n, 5, o.caption_dim});
  in.caption_mask = at::ones({n, 5}, at::kBool);
  in.mask = at::rand({n, o.mask_classes, height, width});
  in.mask_present = at::ones({n});
  return in;
}

/// Random weights everywhere, so that no branch is switched off by its zero start.
void randomise(torch::nn::Module& model) {
  const at::NoGradGuard no_grad;
  at::manual_seed(11);
  for (auto& parameter : model.parameters()) {
    parameter.copy_(at::randn(parameter.sizes()) * 0.2);
  }
}

TEST(Generator, NoAugmentVectorMeansZerosAsInTraining) {
  GeneratorOptions options;
  options.dit = tiny();
  options.dit.caption_dim = options.text.dim;
  Generator model(options);
  randomise(model);
  const auto in = input(options.dit, 2, 16, 16);
  Conditions conditions;
  conditions.token_mask = in.caption_mask;
  const auto without = model.predict(in.x, in.time, {in.caption}, conditions, {});
  conditions.augment = at::zeros({2, options.dit.augment_features});
  EXPECT_TRUE(without.equal(model.predict(in.x, in.time, {in.caption}, conditions, {})));
  conditions.augment = at::ones({2, options.dit.augment_features});
  EXPECT_FALSE(without.equal(model.predict(in.x, in.time, {in.caption}, conditions, {})));
}

TEST(NextDiT, FreshNetworkReturnsExactlyZero) {
  for (const auto& channels : {std::vector<std::int64_t>{}, {8}, {8, 16}}) {
    const auto o = tiny(channels);
    const NextDiT model(o);
    const auto out = model.forward(input(o, 2, 16, 24));
    EXPECT_EQ(out.sizes(), at::IntArrayRef({2, 3, 16, 24}));
    EXPECT_EQ(out.abs().max().item<float>(), 0.0F);
  }
}

TEST(NextDiT, ImageInABatchEqualsImageAlone) {
  for (const auto& channels : {std::vector<std::int64_t>{}, {8, 16}}) {
    const auto o = tiny(channels);
    NextDiT model(o);
    randomise(model);
    const auto in = input(o, 3, 16, 16);
    auto one = in;
    for (auto* tensor :
         {&one.x, &one.time, &one.caption, &one.caption_mask, &one.mask, &one.mask_present}) {
      *tensor = tensor->slice(0, 1, 2);
    }
    EXPECT_LT((model.forward(in)[1] - model.forward(one)[0]).abs().max().item<float>(), 2e-5F);
  }
}

TEST(NextDiT, AbsentMaskIsNotAnEmptyMask) {
  const auto o = tiny({8});
  NextDiT model(o);
  randomise(model);
  auto absent = input(o, 1, 16, 16);
  absent.mask_present = at::zeros({1});
  auto empty = absent;
  empty.mask = at::zeros_like(empty.mask);
  empty.mask_present = at::ones({1});
  EXPECT_GT((model.forward(absent) - model.forward(empty)).abs().max().item<float>(), 1e-3F);
  auto other = absent;
  other.mask = 1.0 - absent.mask;
  EXPECT_TRUE(at::equal(model.forward(absent), model.forward(other)))
      << "a dropped mask must not be seen";
}

TEST(NextDiT, MaskActsWhereItIs) {
  const auto o = tiny({8});
  NextDiT model(o);
  randomise(model);
  auto in = input(o, 1, 16, 16);
  auto changed = in;
  changed.mask = in.mask.clone();
  changed.mask.slice(2, 0, 4).slice(3, 0, 4).fill_(1.0);
  const auto change = (model.forward(changed) - model.forward(in)).abs();
  EXPECT_GT(change.max().item<float>(), 1e-4F);
}

TEST(NextDiT, FusedForwardMatchesPlainForward) {
  const auto o = tiny({8, 16});
  NextDiT model(o);
  randomise(model);
  const auto in = input(o, 2, 16, 16);
  const auto fused = model.forward(in);
  nn::set_fused(false);
  const auto plain = model.forward(in);
  nn::set_fused(true);
  EXPECT_LT((fused - plain).abs().max().item<float>(), 1e-4F * plain.abs().max().item<float>());
}

/// Output, and gradients of its sum of squares by parameter, in the dtype of the model.
std::pair<at::Tensor, std::vector<at::Tensor>> output_and_gradients(NextDiT& model,
                                                                    NextDiTInput in) {
  in.x = in.x.to(model.dtype());
  in.caption = in.caption.to(model.dtype());
  const auto out = model.forward(in);
  out.square().sum().backward();
  std::vector<at::Tensor> gradients;
  for (const auto& item : model.named_parameters()) {
    gradients.push_back(item.value().grad());
  }
  return {out.detach(), gradients};
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b).norm().item<double>();
}

TEST(NextDiT, FusedFloat32MatchesPlainFloat64WithGradients) {
  for (const auto& channels : {std::vector<std::int64_t>{}, {8, 16}}) {
    const auto o = tiny(channels);
    NextDiT model(o), exact(o);
    randomise(model);
    randomise(exact);
    exact.to(at::kDouble);
    const auto [out, gradients] = output_and_gradients(model, input(o, 2, 16, 16));
    const auto [truth, true_gradients] = output_and_gradients(exact, input(o, 2, 16, 16));
    EXPECT_EQ(truth.scalar_type(), at::kDouble);
    EXPECT_LT(distance(out, truth), 1e-5 * truth.norm().item<double>());
    const auto names = model.named_parameters().keys();
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      ASSERT_EQ(gradients[i].defined(), true_gradients[i].defined()) << names[i];
      if (gradients[i].defined()) {
        // Some are zero in exact arithmetic: a bias on all keys shifts a softmax by a constant.
        const double norm = std::max(1e-3, true_gradients[i].norm().item<double>());
        EXPECT_LT(distance(gradients[i], true_gradients[i]), 1e-4 * norm) << names[i];
      }
    }
  }
}

TEST(NextDiT, CheckpointedActivationsGiveTheSameGradients) {
  const auto o = tiny();
  NextDiT model(o);
  randomise(model);
  auto in = input(o, 2, 16, 16);
  in.caption.requires_grad_();
  std::vector<at::Tensor> grads[2];
  for (const bool checkpointed : {false, true}) {
    in.caption.mutable_grad().reset();
    model.zero_grad();
    NextDiTCall call;
    call.checkpoint_activations = checkpointed;
    model.forward(in, call).square().sum().backward();
    for (const auto& parameter : model.parameters()) {
      grads[checkpointed].push_back(parameter.grad().defined() ? parameter.grad().clone()
                                                               : at::zeros({1}));
    }
    grads[checkpointed].push_back(in.caption.grad().clone());
  }
  for (std::size_t i = 0; i < grads[0].size(); ++i) {
    EXPECT_TRUE(at::allclose(grads[0][i], grads[1][i], 1e-4, 1e-5)) << i;
  }
}

TEST(NextDiT, TwoBillionParametersAreCountedWithoutMemory) {
  auto o = nextdit_preset("2b");
  EXPECT_EQ(nn::parameter_count(NextDiT(o, 0, at::kMeta)), 1'988'524'576);
  o = nextdit_preset("2b-gqa");
  EXPECT_EQ(nn::parameter_count(NextDiT(o, 0, at::kMeta)), 1'627'386'400);
}

TEST(NextDiT, SeedDecidesTheFirstWeights) {
  const auto o = tiny({8});
  const NextDiT a(o, 1), b(o, 1), c(o, 2);
  bool differs = false;
  for (std::size_t i = 0; i < a.parameters().size(); ++i) {
    EXPECT_TRUE(at::equal(a.parameters()[i], b.parameters()[i]));
    differs = differs || !at::equal(a.parameters()[i], c.parameters()[i]);
  }
  EXPECT_TRUE(differs);
}

TEST(NextDiTOptions, RefusesWhatDoesNotFitAndSaysWhere) {
  const auto message = [](const NextDiTOptions& o) {
    try {
      validate(o, "model");
      return std::string();
    } catch (const Error& e) {
      return std::string(e.what());
    }
  };
  auto o = tiny();
  o.heads = 3;
  EXPECT_THAT(message(o), ::testing::HasSubstr("model.heads: 3 heads do not divide dim 32"));
  o = tiny();
  o.dim = 36;
  EXPECT_THAT(message(o), ::testing::HasSubstr("not a multiple of 4"));
  o = tiny({8, 16, 32, 64});
  EXPECT_THAT(message(o), ::testing::HasSubstr("model.conv_channels"));
  EXPECT_EQ(message(tiny({8, 16})), "");
  EXPECT_THROW(validate_size(tiny(), 18, 16, "data"), Error);
  EXPECT_NO_THROW(validate_size(tiny(), 20, 16, "data"));
}

TEST(Patchify, PutsChannelThenRowThenColumn) {
  const auto x = at::arange(2 * 4 * 4, at::kFloat).view({1, 2, 4, 4});
  const auto tokens = patchify(x, 2);
  ASSERT_EQ(tokens.sizes(), at::IntArrayRef({1, 4, 8}));
  // token 1 is the upper right patch: pixels 2, 3, 6, 7 of channel 0, then of channel 1
  EXPECT_TRUE(at::equal(tokens[0][1], at::tensor({2.F, 3.F, 6.F, 7.F, 18.F, 19.F, 22.F, 23.F})));
}

TEST(Unpatchify, PutsRowThenColumnThenChannel) {
  const auto tokens = at::arange(8, at::kFloat).view({1, 1, 8});  // one 2 x 2 patch of two channels
  const auto image = unpatchify(tokens, 2, 2, 2);
  EXPECT_TRUE(at::equal(image[0][0], at::tensor({0.F, 2.F, 4.F, 6.F}).view({2, 2})));
  EXPECT_TRUE(at::equal(image[0][1], at::tensor({1.F, 3.F, 5.F, 7.F}).view({2, 2})));
}

TEST(Generator, CaptionChangesTheImageOnceTrained) {
  GeneratorOptions o{tiny({8}), {}, 50};
  o.text.dim = o.dit.caption_dim;
  o.text.heads = 2;
  Generator model(o);
  randomise(model);
  Conditions conditions;
  conditions.tokens = at::tensor({2, 7, 9, 0, 2, 8, 11, 12}, at::kLong).view({2, 4});
  conditions.token_mask = conditions.tokens != 0;
  conditions.mask = at::rand({1, 1, 16, 16}).repeat({2, 1, 1, 1});
  const auto z = at::randn({1, 3, 16, 16}).repeat({2, 1, 1, 1});
  const auto time = at::full({2}, 0.5);
  const auto features = model.encode_text(conditions);
  const auto out = model.predict(z, time, {features}, conditions);
  EXPECT_GT((out[0] - out[1]).abs().max().item<float>(), 1e-3F);
  // Keys and values made beforehand are the same.
  const auto ahead = model.dit().caption_heads(features);
  EXPECT_EQ(ahead.size(), static_cast<std::size_t>(o.dit.layers));
  EXPECT_TRUE(out.equal(model.predict(z, time, {features, ahead}, conditions)));
}

}  // namespace
}  // namespace medaug
