// SPDX-License-Identifier: MIT
#include "models/lora.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "models/nextdit.h"
#include "nn/layers.h"

namespace medaug {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

NextDiTOptions tiny() {
  NextDiTOptions o;
  o.patch_size = 4;
  o.dim = 32;
  o.layers = 2;
  o.heads = 4;
  o.kv_heads = 2;
  o.ffn_multiple_of = 16;
  o.caption_dim = 16;
  return o;
}

NextDiTInput input(const NextDiTOptions& o, at::ScalarType type = at::kFloat) {
  at::manual_seed(5);
  NextDiTInput in;
  in.x = at::randn({2, o.in_channels, 16, 16}).to(type);
  in.time = at::rand({2});
  in.caption = at::randn({2, 5, o.caption_dim}).to(type);
  in.caption_mask = at::ones({2, 5}, at::kBool);
  in.mask = at::rand({2, o.mask_classes, 16, 16});
  in.mask_present = at::ones({2});
  return in;
}

void randomise(torch::nn::Module& model, const std::function<bool(const std::string&)>& which) {
  const at::NoGradGuard no_grad;
  at::manual_seed(11);
  for (auto& item : model.named_parameters()) {
    if (which(item.key())) {
      item.value().copy_(at::randn(item.value().sizes()) * 0.2);
    }
  }
}
bool every(const std::string&) { return true; }

LoraOptions rank(std::int64_t r, bool ends = true) {
  LoraOptions o;
  o.rank = r;
  o.alpha = 3.0;
  o.train_ends = ends;
  return o;
}

TEST(Lora, FreshAdaptersChangeNoBit) {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    NextDiT model(tiny());
    randomise(model, every);
    model.to(type);
    const auto in = input(tiny(), type);
    const auto before = model.forward(in);
    add_lora(model, rank(4), 1);
    model.to(type);
    EXPECT_TRUE(before.equal(model.forward(in).detach())) << type;
  }
}

TEST(Lora, LeavesOnlyAdaptersAndNewEndsToTrain) {
  NextDiT model(tiny());
  add_lora(model, rank(4), 1);
  std::set<std::string> trained;
  for (const auto& item : model.named_parameters()) {
    if (item.value().requires_grad() && !is_adapter(item.key())) {
      trained.insert(item.key());
    }
  }
  EXPECT_THAT(trained, ElementsAre("mask_embedder.bias", "mask_embedder.weight", "mask_mid.bias",
                                   "mask_mid.weight"));
  EXPECT_EQ(nn::trained_parameters(model).size(), 4U + 2 * 2 * 9);
  NextDiT closed(tiny());
  add_lora(closed, rank(4, false), 1);
  EXPECT_EQ(nn::trained_parameters(closed).size(), 2U * 2 * 9);
}

TEST(Lora, TargetsAreGroupsOrSingleLayers) {
  EXPECT_EQ(lora_layers({"attention", "feed_forward"}, "").size(), 9U);
  EXPECT_THAT(lora_layers({"w2", "wq", "attention.wq"}, ""),
              ElementsAre("attention.wq", "feed_forward.w2"));
  try {
    lora_layers({"wx"}, "lora.targets");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kConfig);
    EXPECT_THAT(e.what(), HasSubstr("lora.targets: unknown target 'wx'"));
    EXPECT_THAT(e.hint(), HasSubstr("wk_y"));
  }
  EXPECT_THROW(lora_layers({}, ""), Error);
}

/// The same layer with its adapter multiplied out.
at::Tensor merged(const nn::Linear& layer) {
  return layer.weight + layer.adapter.scale * layer.adapter.b.mm(layer.adapter.a);
}

TEST(Lora, LayersSideBySideAreThoseMultipliedOut) {
  at::manual_seed(3);
  nn::Initializer init(7);
  nn::Linear one(12, 8, false, nn::Init::kXavier, init), two(12, 4, false, nn::Init::kXavier, init),
      bare(12, 6, false, nn::Init::kXavier, init);
  for (auto* layer : {&one, &two}) {
    layer->add_adapter(3, 1.5, init);
    layer->to(at::kDouble);
    const at::NoGradGuard no_grad;
    layer->adapter.b.copy_(at::randn(layer->adapter.b.sizes()));
  }
  bare.to(at::kDouble);
  const auto x = at::randn({2, 5, 12}, at::kDouble);
  const auto want = at::cat(
      {at::linear(x, merged(one)), at::linear(x, bare.weight), at::linear(x, merged(two))}, -1);
  EXPECT_TRUE(at::allclose(nn::linear_together(x, {&one, &bare, &two}), want, 1e-12, 1e-12));
  EXPECT_TRUE(at::allclose(one.forward(x), at::linear(x, merged(one)), 1e-12, 1e-12));
}

// y = x W^T + s (x A^T) B^T: dA = s (g B)^T x, dB = s g^T (x A^T), dx = g W + s (g B) A.
TEST(Lora, GradientsAreThoseOfTheFormula) {
  at::manual_seed(4);
  nn::Initializer init(7);
  nn::Linear layer(6, 5, false, nn::Init::kXavier, init),
      frozen(6, 3, false, nn::Init::kXavier, init);
  layer.add_adapter(2, 0.5, init);
  layer.to(at::kDouble);
  frozen.to(at::kDouble);
  {
    const at::NoGradGuard no_grad;
    layer.adapter.b.copy_(at::randn({5, 2}));
  }
  layer.weight.set_requires_grad(false);
  frozen.weight.set_requires_grad(false);
  const auto x = at::randn({7, 6}, at::kDouble).requires_grad_();
  const auto g = at::randn({7, 8}, at::kDouble), own = g.narrow(1, 0, 5);
  const auto& [a, b, s, kept] = layer.adapter;
  const auto y = nn::linear_together(x, {&layer, &frozen});
  const auto found = torch::autograd::grad({y}, {a, b, x}, {g});
  EXPECT_TRUE(at::allclose(found[0], s * own.mm(b).t().mm(x), 1e-10, 1e-12));
  EXPECT_TRUE(at::allclose(found[1], s * own.t().mm(x.mm(a.t())), 1e-10, 1e-12));
  EXPECT_TRUE(at::allclose(
      found[2], g.mm(at::cat({layer.weight, frozen.weight})) + s * own.mm(b).mm(a), 1e-10, 1e-12));
}

TEST(Lora, GradientThroughTheNetworkMatchesFiniteDifferences) {
  auto o = tiny();
  NextDiT model(o);
  add_lora(model, rank(2), 1);
  randomise(model, every);
  model.to(at::kDouble);
  const auto in = input(o, at::kDouble);
  const auto loss = [&] { return model.forward(in).square().sum(); };
  const auto parameters = nn::trained_parameters(model);
  const auto found = torch::autograd::grad({loss()}, parameters);
  const at::NoGradGuard no_grad;
  constexpr double kStep = 1e-6;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto flat = parameters[i].view({-1});
    const auto at = static_cast<std::int64_t>(i * 7) % flat.numel();
    const double before = flat[at].item<double>();
    flat[at].fill_(before + kStep);
    const double up = loss().item<double>();
    flat[at].fill_(before - kStep);
    const double down = loss().item<double>();
    flat[at].fill_(before);
    const double want = (up - down) / (2.0 * kStep);
    EXPECT_NEAR(found[i].flatten()[at].item<double>(), want, 1e-4 * std::max(1.0, std::abs(want)))
        << i;
  }
}

// With nothing trained before the first block its input carries no gradient.
TEST(Lora, CheckpointedActivationsGiveTheSameGradients) {
  for (const bool ends : {true, false}) {
    NextDiT model(tiny());
    add_lora(model, rank(4, ends), 1);
    randomise(model, every);
    const auto parameters = nn::trained_parameters(model);
    std::vector<at::Tensor> found[2];
    for (const bool checkpointed : {false, true}) {
      NextDiTCall call;
      call.checkpoint_activations = checkpointed;
      const auto loss = model.forward(input(tiny()), call).square().sum();
      found[checkpointed] = torch::autograd::grad({loss}, parameters);
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      EXPECT_GT(found[0][i].norm().item<double>(), 0.0) << i;
      EXPECT_TRUE(at::allclose(found[0][i], found[1][i], 1e-4, 1e-5)) << i;
    }
  }
}

TEST(Lora, DroppedInputsAreKeyedByTheDraw) {
  auto model = std::make_shared<NextDiT>(tiny());
  add_lora(*model, rank(4), 1);
  randomise(*model, every);
  const auto in = input(tiny());
  const at::NoGradGuard no_grad;
  const auto all = model->forward(in);
  const auto with = [&](std::uint64_t draw) {
    drop_adapter_inputs(*model, 0.5, 9, draw);
    return model->forward(in);
  };
  const auto first = with(0), second = with(1);
  EXPECT_FALSE(first.equal(second));
  EXPECT_TRUE(first.equal(with(0)));
  drop_adapter_inputs(*model, 0.0, 9, 0);
  EXPECT_TRUE(all.equal(model->forward(in)));
}

}  // namespace
}  // namespace medaug
