// SPDX-License-Identifier: MIT
// The fused operators one by one, forward and backward, beside their plain version in ATen. Shapes
// are those of a batch of 32 at 64 x 64 pixels: 256 tokens of width 256 in 4 heads.

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "nn/layers.h"
#include "nn/ops.h"
#include "nn/rotary.h"

namespace medaug::nn {
namespace {

constexpr std::int64_t kBatch = 32, kTokens = 256, kWidth = 256, kHeads = 4, kHidden = 704;
constexpr std::int64_t kCaption = 32;

at::Tensor leaf(at::IntArrayRef shape, at::ScalarType type = at::kBFloat16) {
  return at::randn(shape).to(type).requires_grad_();
}

/// Runs f, then its backward pass, fused or plain as the benchmark's argument says.
template <class F>
void forward_and_backward(benchmark::State& state, F&& f) {
  set_fused(state.range(0) == 1);
  const auto grad = at::randn_like(f());
  for (auto _ : state) {
    f().backward(grad);
  }
  set_fused(true);
  state.SetLabel(state.range(0) == 1 ? "fused" : "plain");
}

void rms_norm_bench(benchmark::State& state) {
  const auto x = leaf({kBatch, kTokens, kWidth});
  const auto multiplier = leaf({kBatch, kWidth}, at::kFloat);
  forward_and_backward(state, [&] { return rms_norm(x, multiplier, 1e-5); });
}

void add_rms_norm_bench(benchmark::State& state) {
  const auto x = leaf({kBatch, kTokens, kWidth}), y = leaf({kBatch, kTokens, kWidth});
  const auto multiplier = leaf({kBatch, kWidth}, at::kFloat);
  forward_and_backward(state, [&] { return add_rms_norm(x, y, multiplier, 1e-5); });
}

void split_heads_bench(benchmark::State& state) {
  const auto x = leaf({kBatch, kTokens, 3 * kWidth});
  const auto weight = leaf({kWidth}, at::kFloat), bias = leaf({kWidth}, at::kFloat);
  const auto rotary = rotary_table(16, 16, {.head_dim = kWidth / kHeads});
  const HeadGroup normed{kHeads, weight, bias, true};
  forward_and_backward(state, [&] {
    const auto heads = split_heads(x, {normed, normed, {kHeads}}, rotary, 1e-5);
    return at::stack(heads);
  });
}

void swiglu_bench(benchmark::State& state) {
  const auto ab = leaf({kBatch, kTokens, 2 * kHidden});
  forward_and_backward(state, [&] { return swiglu(ab); });
}

void attention_bench(benchmark::State& state) {
  AttentionInputs in;
  const auto head = kWidth / kHeads;
  in.q = leaf({kBatch, kHeads, kTokens, head});
  in.k = leaf({kBatch, kHeads, kTokens, head});
  in.v = leaf({kBatch, kHeads, kTokens, head});
  in.caption_k = leaf({kBatch, kHeads, kCaption, head});
  in.caption_v = leaf({kBatch, kHeads, kCaption, head});
  in.caption_mask = at::ones({kBatch, kCaption}, at::kBool);
  in.gate = leaf({kHeads}, at::kFloat);
  in.scale = 0.125;
  forward_and_backward(state, [&] { return attention(in); });
}

/// The argument is the channel count; TFLOP/s of forward and backward together.
void conv3x3_bench(benchmark::State& state) {
  const auto channels = state.range(0), side = state.range(1);
  const auto x = leaf({kBatch, side, side, channels});
  const auto weight = leaf({channels, channels, 3, 3}), bias = leaf({channels});
  const auto grad = at::randn_like(x);
  for (auto _ : state) {
    conv3x3(x, weight, bias).backward(grad);
  }
  const auto flops =
      3.0 * 2.0 * 9.0 * static_cast<double>(kBatch * side * side * channels * channels);
  state.counters["TFLOP/s"] =
      benchmark::Counter(flops / 1e12, benchmark::Counter::kIsIterationInvariantRate);
}

/// at::linear with its two gradients at the model's shapes: the bar that the other kernels are
/// measured against.
void linear_bench(benchmark::State& state) {
  const auto in = state.range(0), out = state.range(1);
  const auto x = leaf({kBatch * kTokens, in}), weight = leaf({out, in});
  const auto grad = at::randn({kBatch * kTokens, out}).to(at::kBFloat16);
  for (auto _ : state) {
    at::linear(x, weight).backward(grad);
  }
  const auto flops = 3.0 * 2.0 * static_cast<double>(kBatch * kTokens * in * out);
  state.counters["TFLOP/s"] =
      benchmark::Counter(flops / 1e12, benchmark::Counter::kIsIterationInvariantRate);
}

BENCHMARK(rms_norm_bench)->Arg(1)->Arg(0)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(add_rms_norm_bench)->Arg(1)->Arg(0)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(split_heads_bench)->Arg(1)->Arg(0)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(swiglu_bench)->Arg(1)->Arg(0)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(attention_bench)->Arg(1)->Arg(0)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(conv3x3_bench)
    ->Args({32, 64})
    ->Args({64, 32})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(linear_bench)
    ->Args({kWidth, kWidth})
    ->Args({kWidth, kHidden})
    ->Args({kHidden, kWidth})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace medaug::nn

BENCHMARK_MAIN();
