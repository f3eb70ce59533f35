// SPDX-License-Identifier: MIT
#include "nn/ops.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "nn/cpu/kernels.h"
#include "nn/layers.h"

namespace medaug::nn {
namespace {

using at::Tensor;
using Op = std::function<Tensor(const std::vector<Tensor>&)>;

struct Result {
  Tensor out;
  std::vector<Tensor> grads;
};

// The operator on copies of the inputs in the given dtypes, and the gradients of a fixed random
// projection of it.
Result run(const Op& op, const std::vector<Tensor>& inputs, at::ScalarType type, bool fused) {
  std::vector<Tensor> leaves;
  for (const auto& x : inputs) {
    const bool wide = x.scalar_type() == at::kFloat;  // multipliers, weights and gates stay float32
    leaves.push_back(x.defined() ? x.detach()
                                       .to(wide ? (type == at::kDouble ? type : at::kFloat) : type)
                                       .requires_grad_()
                                 : x);
  }
  set_fused(fused);
  Result result;
  result.out = op(leaves);
  set_fused(true);
  at::manual_seed(7);
  const auto projection = at::randn(result.out.sizes(), at::kDouble).to(result.out.scalar_type());
  result.grads = torch::autograd::grad({result.out}, leaves, {projection}, false, false, true);
  return result;
}

double relative_rms(const Tensor& got, const Tensor& want) {
  const auto difference = (got.to(at::kDouble) - want.to(at::kDouble)).square().mean().sqrt();
  return (difference / (want.to(at::kDouble).square().mean().sqrt() + 1e-12)).item<double>();
}

// Activations are passed as float64 and cast; float32 inputs are those that stay float32.
void expect_fused_matches_float64(const Op& op, const std::vector<Tensor>& inputs) {
  const auto want = run(op, inputs, at::kDouble, false);
  for (const auto& [type, bound] :
       {std::pair{at::kFloat, 2e-6}, std::pair{at::kBFloat16, 1.6e-2}}) {
    const auto got = run(op, inputs, type, true);
    EXPECT_EQ(got.out.scalar_type(), type);
    EXPECT_LT(relative_rms(got.out, want.out), bound) << type;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      ASSERT_EQ(got.grads[i].defined(), want.grads[i].defined()) << "input " << i;
      if (want.grads[i].defined()) {
        EXPECT_LT(relative_rms(got.grads[i], want.grads[i]), bound)
            << type << " gradient of input " << i;
      }
    }
  }
}

Tensor activation(at::IntArrayRef shape) { return at::randn(shape, at::kDouble); }
Tensor weight(at::IntArrayRef shape) {
  return (1.0 + 0.3 * at::randn(shape, at::kDouble)).to(at::kFloat);
}

int rank(const std::string& instructions) {
  return instructions == "avx512bf16" ? 3
         : instructions == "avx512"   ? 2
         : instructions == "avx2"     ? 1
                                      : 0;
}

class FusedOps : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(1); }
};

TEST_F(FusedOps, RmsNormOfHandValues) {
  // rms(3, 4) = sqrt(12.5); times (1, 2)
  const auto y = rms_norm(at::tensor({3.0F, 4.0F}).view({1, 1, 2}),
                          at::tensor({1.0F, 2.0F}).view({1, 2}), 0.0);
  EXPECT_NEAR(y[0][0][0].item<float>(), 3.0 / std::sqrt(12.5), 1e-6);
  EXPECT_NEAR(y[0][0][1].item<float>(), 8.0 / std::sqrt(12.5), 1e-6);
}

TEST_F(FusedOps, LeakyInstanceNormOfHandValues) {
  // mean 2, variance 4: (-1, 1) times 3 plus 1, the negative one halved.
  const auto y = leaky_instance_norm(at::tensor({0.0F, 4.0F}).view({1, 1, 1, 2}),
                                     at::tensor({3.0F}), at::tensor({1.0F}), 0.0, 0.5);
  EXPECT_NEAR(y.flatten()[0].item<float>(), -1.0, 1e-6);
  EXPECT_NEAR(y.flatten()[1].item<float>(), 4.0, 1e-6);
}

TEST_F(FusedOps, LeakyInstanceNormMatchesFloat64) {
  const Op op = [](const std::vector<Tensor>& in) {
    return leaky_instance_norm(in[0], in[1], in[2], 1e-5, 0.01);
  };
  for (const std::int64_t channels : {1, 16, 32, 37}) {
    for (const auto layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      // Numbers that bfloat16 has: another rounding could put them beyond the bend.
      const auto x = (3.0 + 2.0 * activation({3, channels, 20, 17}))
                         .to(at::kBFloat16)
                         .to(at::kDouble)
                         .contiguous(layout);
      expect_fused_matches_float64(op, {x, weight({channels}), weight({channels}) - 1.0});
    }
  }
}

TEST_F(FusedOps, LeakyInstanceNormKeepsItsPrecisionFarFromZero) {
  const auto x = 1000.0F + at::randn({1, 16, 96, 96});
  const auto ones = at::ones({16});
  const auto y = leaky_instance_norm(x, ones, at::zeros({16}), 1e-5, 1.0);
  const auto want =
      reference::leaky_instance_norm(x.to(at::kDouble), ones, at::zeros({16}), 1e-5, 1.0);
  EXPECT_LT(relative_rms(y, want), 1e-4);
}

TEST_F(FusedOps, RmsNormMatchesFloat64) {
  for (const auto act : {Activation::kNone, Activation::kSilu}) {
    const Op op = [act](const std::vector<Tensor>& in) {
      return rms_norm(in[0], in[1], 1e-5, act);
    };
    expect_fused_matches_float64(op, {activation({3, 5, 72}), weight({3, 72})});
    expect_fused_matches_float64(op, {activation({3, 5, 33}), weight({1, 33})});
  }
}

TEST_F(FusedOps, AddRmsNormMatchesFloat64) {
  const Op op = [](const std::vector<Tensor>& in) {
    return add_rms_norm(in[0], in[1], in[2], 1e-5);
  };
  expect_fused_matches_float64(op,
                               {activation({2, 7, 64}), activation({2, 7, 64}), weight({2, 64})});
}

// Both outputs take part, so the gradient of the input has two sources.
TEST_F(FusedOps, RmsNormAndInputMatchesFloat64) {
  const Op op = [](const std::vector<Tensor>& in) {
    const auto both = rms_norm_and_input(in[0], in[1], 1e-5);
    return both.normed + 0.5 * both.input;
  };
  expect_fused_matches_float64(op, {activation({3, 5, 72}), weight({3, 72})});
  const Op input_only = [](const std::vector<Tensor>& in) {
    return 0.5 * rms_norm_and_input(in[0], in[1], 1e-5).input;
  };
  const auto got = run(input_only, {activation({1, 2, 16}), weight({1, 16})}, at::kFloat, true);
  EXPECT_TRUE(got.grads[0].defined());
}

// Queries with norm and rotation, fewer keys with both, values as they are; the outputs joined so
// that each gets another gradient.
TEST_F(FusedOps, SplitHeadsMatchesFloat64) {
  const auto angles = at::rand({6, 12}) * 6.28;
  const auto rotary = at::stack({angles.cos(), angles.sin()}, -1).to(at::kFloat).contiguous();
  const auto joined = [](const std::vector<Tensor>& heads) {
    std::vector<Tensor> flat;
    for (const auto& x : heads) {
      flat.push_back(x.flatten(1));
    }
    return at::cat(flat, 1);
  };
  const Op full = [&](const std::vector<Tensor>& in) {
    return joined(
        split_heads(in[0], {{4, in[1], in[2], true}, {2, in[3], in[4], true}, {2, {}, {}, false}},
                    rotary, 1e-5));
  };
  expect_fused_matches_float64(
      full, {activation({3, 6, 192}), weight({96}), weight({96}), weight({48}), weight({48})});
  const Op rotate_only = [&](const std::vector<Tensor>& in) {
    return joined(split_heads(in[0], {{4, {}, {}, true}}, rotary, 1e-5));
  };
  expect_fused_matches_float64(rotate_only, {activation({3, 6, 96})});
  const Op norm_only = [&](const std::vector<Tensor>& in) {
    return joined(split_heads(in[0], {{1, {}, {}, true}, {3, in[1], in[2], true}}, {}, 1e-5));
  };
  expect_fused_matches_float64(norm_only, {activation({3, 6, 64}), weight({48}), weight({48})});
}

TEST_F(FusedOps, SwigluMatchesFloat64) {
  const Op op = [](const std::vector<Tensor>& in) { return swiglu(in[0]); };
  expect_fused_matches_float64(op, {3.0 * activation({3, 5, 2 * 77})});
}

TEST_F(FusedOps, AttentionMatchesFloat64) {
  const auto caption_mask = at::ones({2, 5}, at::kBool);
  caption_mask[0].slice(0, 2).fill_(false);
  const auto key_mask = at::ones({2, 9}, at::kBool);
  key_mask[1].slice(0, 6).fill_(false);
  const Op op = [&](const std::vector<Tensor>& in) {
    return attention({.q = in[0],
                      .k = in[1],
                      .v = in[2],
                      .key_mask = key_mask,
                      .caption_k = in[3],
                      .caption_v = in[4],
                      .caption_mask = caption_mask,
                      .gate = in[5],
                      .scale = 0.3});
  };
  for (const std::int64_t kv_heads : {4, 2}) {
    expect_fused_matches_float64(
        op, {activation({2, 4, 9, 16}), activation({2, kv_heads, 9, 16}),
             activation({2, kv_heads, 9, 16}), activation({2, kv_heads, 5, 16}),
             activation({2, kv_heads, 5, 16}), weight({4})});
  }
  const Op plain = [](const std::vector<Tensor>& in) {
    return attention({.q = in[0], .k = in[1], .v = in[2], .scale = 0.25});
  };
  expect_fused_matches_float64(
      plain, {activation({2, 2, 17, 16}), activation({2, 2, 17, 16}), activation({2, 2, 17, 16})});
}

// More rows than a block has, keys and captions that fill no whole vector, head widths of three and
// of four vectors.
TEST_F(FusedOps, LongAttentionMatchesFloat64) {
  const Op op = [](const std::vector<Tensor>& in) {
    return attention({.q = in[0],
                      .k = in[1],
                      .v = in[2],
                      .caption_k = in[3],
                      .caption_v = in[4],
                      .caption_mask = at::ones({in[0].size(0), in[3].size(2)}, at::kBool),
                      .gate = in[5],
                      .scale = 0.15});
  };
  for (const std::int64_t d : {48, 64}) {
    expect_fused_matches_float64(
        op, {activation({2, 3, 70, d}), activation({2, 3, 70, d}), activation({2, 3, 70, d}),
             activation({2, 3, 35, d}), activation({2, 3, 35, d}), weight({3})});
  }
}

// Without gradients nothing is kept, and the numbers are the same.
TEST_F(FusedOps, AttentionIsTheSameWithoutGradients) {
  const auto make = [](std::int64_t n) { return at::randn({2, 2, n, 32}).to(at::kBFloat16); };
  AttentionInputs in{.q = make(40), .k = make(40), .v = make(40), .scale = 0.2};
  const auto want = attention(in);
  in.q = in.q.clone().requires_grad_();
  EXPECT_TRUE(want.equal(attention(in).detach()));
  in.q = make(1500).slice(2, 0, 1500);  // more tokens than may be kept
  in.k = make(1500);
  in.v = make(1500);
  EXPECT_LT(relative_rms(attention(in), reference::attention(in)), 1.6e-2);
}

TEST_F(FusedOps, AttentionIgnoresMaskedKeys) {
  const auto q = at::randn({1, 1, 3, 8}), k = at::randn({1, 1, 4, 8}), v = at::randn({1, 1, 4, 8});
  const auto mask = at::tensor({1, 1, 1, 0}, at::kLong).to(at::kBool).view({1, 4});
  auto v2 = v.clone();
  v2.select(2, 3).fill_(1e6);
  const auto a = attention({.q = q, .k = k, .v = v, .key_mask = mask, .scale = 1.0});
  EXPECT_TRUE(at::equal(a, attention({.q = q, .k = k, .v = v2, .key_mask = mask, .scale = 1.0})));
}

TEST_F(FusedOps, NotFiniteInputsStayNotFinite) {
  auto x = at::ones({1, 2, 16}, at::kBFloat16);
  x[0][1][3] = std::numeric_limits<float>::quiet_NaN();
  const auto y = rms_norm(x, at::ones({1, 16}), 1e-5);
  EXPECT_TRUE(at::isfinite(y[0][0]).all().item<bool>());
  EXPECT_FALSE(at::isfinite(y[0][1]).any().item<bool>());
}

// Several layers as one product: the same numbers and gradients, whether the weights lie together
// or not.
TEST(LinearTogether, EqualsItsLayers) {
  Initializer init(1);
  struct Pair : torch::nn::Module {
    explicit Pair(Initializer& init) {
      a = register_module("a", std::make_shared<Linear>(16, 8, false, Init::kXavier, init));
      b = register_module("b", std::make_shared<Linear>(16, 24, false, Init::kXavier, init));
    }
    std::shared_ptr<Linear> a, b;
  } pair(init);
  const auto x = at::randn({2, 3, 16}).requires_grad_();
  const auto projection = at::randn({2, 3, 32});
  const std::vector<Tensor> leaves{x, pair.a->weight, pair.b->weight};
  const auto want_y = at::cat({pair.a->forward(x), pair.b->forward(x)}, -1);
  const auto want = torch::autograd::grad({want_y}, leaves, {projection});
  for (const bool gathered : {false, true}) {
    if (gathered) {
      gather_parameters(pair);
      EXPECT_EQ(pair.a->weight.data_ptr<float>() + 16 * 8, pair.b->weight.data_ptr<float>());
    }
    const auto y = linear_together(x, {pair.a.get(), pair.b.get()});
    EXPECT_LT(relative_rms(y.detach(), want_y.detach()), 1e-6);
    const auto grads = torch::autograd::grad({y}, leaves, {projection});
    for (std::size_t i = 0; i < grads.size(); ++i) {
      EXPECT_LT(relative_rms(grads[i], want[i]), 1e-6) << gathered << ' ' << i;
    }
  }
}

TEST(Kernels, AreThoseThatWereAskedFor) {
  const char* const wanted = std::getenv("MEDAUG_CPU");
  const std::string got = cpu::instruction_set();
  if (wanted == nullptr) {
    EXPECT_TRUE(got == "avx512bf16" || got == "avx512" || got == "avx2" || got == "baseline")
        << got;
  } else {  // never more than that
    EXPECT_LE(rank(got), rank(wanted)) << got;
  }
}

}  // namespace
}  // namespace medaug::nn
