// SPDX-License-Identifier: MIT
// Time of a training step and of sampling on made-up tensors: train_step_bench [PRESET [BATCH
// [ROUNDS]]]

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "models/generator.h"
#include "training/flow_step.h"
#include "training/optimizer.h"
#include "training/sampling.h"

namespace medaug {
namespace {

constexpr std::int64_t kSide = 64;
constexpr std::int64_t kTokens = 32;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

FlowBatch made_up_batch(const GeneratorOptions& o, std::int64_t n) {
  FlowBatch batch;
  batch.images = at::randn({n, o.dit.in_channels, kSide, kSide}).clamp(-1, 1);
  batch.conditions.tokens = at::randint(3, o.vocabulary, {n, kTokens}, at::kLong);
  batch.conditions.token_mask = at::ones({n, kTokens}, at::kBool);
  batch.conditions.mask = at::rand({n, o.dit.mask_classes, kSide, kSide}).round();
  batch.conditions.mask_present = at::ones({n});
  for (std::int64_t i = 0; i < n; ++i) {
    batch.draws.push_back(i);
  }
  return batch;
}

double train_step(const Generator& model, AdamW& optimizer, const FlowBatch& batch,
                  std::int64_t round) {
  const FlowOptions flow;
  const double begin = now();
  const auto draws = draw_noise_and_time(batch, flow, static_cast<std::uint64_t>(round));
  flow_loss(model, batch, draws, flow).mean().backward();
  optimizer.step(1e-4, clip_scale(optimizer.gradient_norm(), 1.0), {0.99, 0.999});
  optimizer.clear_gradients();
  return now() - begin;
}

void run(const std::string& preset, std::int64_t n, int rounds) {
  GeneratorOptions o;
  o.dit = nextdit_preset(preset);
  o.dit.caption_dim = o.text.dim;
  o.vocabulary = 400;
  Generator model(o);
  NamedTensors parameters;
  for (const auto& item : model.named_parameters()) {
    parameters.emplace_back(item.key(), item.value());
  }
  AdamW optimizer(parameters, {}, at::kBFloat16, 2);
  const auto batch = made_up_batch(o, n);
  std::vector<double> steps;
  std::vector<double> samples;
  for (int i = 0; i < rounds + 2; ++i) {  // two rounds of warm-up
    const double step = train_step(model, optimizer, batch, i);
    SamplingRequest request;
    request.conditions = request.no_text = batch.conditions;
    request.seeds = batch.draws;
    const double begin = now();
    sample_images(model, request, {});
    if (i >= 2) {
      steps.push_back(step);
      samples.push_back(now() - begin);
    }
  }
  const auto images = static_cast<double>(n);
  const double flops = 3.0 * forward_flops(o.dit, kSide, kSide, kTokens) * images;
  std::printf(
      "{\"preset\": \"%s\", \"batch\": %ld, \"rounds\": %d, \"train_images_per_second\": %.2f, "
      "\"train_tflops\": %.3f, \"sample_images_per_second\": %.2f}\n",
      preset.c_str(), static_cast<long>(n), rounds, images / median(steps),
      flops / median(steps) / 1e12, images / median(samples));
}

}  // namespace
}  // namespace medaug

int main(int argc, char** argv) {
  medaug::run(argc > 1 ? argv[1] : "small", argc > 2 ? std::atol(argv[2]) : 16,
              argc > 3 ? std::atoi(argv[3]) : 5);
  return 0;
}
