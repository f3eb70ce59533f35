// SPDX-License-Identifier: MIT
// What `medaug evaluate --distribution` spends its time on: features of images against the
// distances between the sets of them, 2 x 2,000 images.

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "evaluation/extractor.h"
#include "evaluation/feature_distance.h"

namespace medaug {
namespace {

constexpr std::int64_t kImages = 2000, kDimensions = 1280, kBatch = 64;

void efficientnet_features(benchmark::State& state) {
  const auto weights = find_weights(kEfficientNetWeights);
  if (!weights) {
    state.SkipWithError("the weights of EfficientNet-Lite0 were not fetched");
    return;
  }
  const auto extractor = efficientnet_extractor(*weights);
  const auto images = at::rand({kBatch, 3, state.range(0), state.range(0)}) * 2.0 - 1.0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(extractor->features(images));
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}

void radiomics_features(benchmark::State& state) {
  const auto extractor = radiomics_extractor();
  const auto images = at::rand({kBatch, 1, state.range(0), state.range(0)}) * 2.0 - 1.0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(extractor->features(images));
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}

/// @param distance  of two sets of features; the rate is that of the images of both
template <class Distance>
void sets(benchmark::State& state, Distance&& distance) {
  const auto real = at::randn({kImages, kDimensions}, at::kDouble);
  const auto generated = at::randn({kImages, kDimensions}, at::kDouble) + 0.1;
  for (auto _ : state) {
    benchmark::DoNotOptimize(distance(real, generated));
  }
  state.SetItemsProcessed(state.iterations() * 2 * kImages);
}

void kid(benchmark::State& state) {
  sets(state, [](const auto& a, const auto& b) { return kernel_distance(a, b).value; });
}
void fid(benchmark::State& state) {
  sets(state, [](const auto& a, const auto& b) { return frechet_distance(a, b); });
}
void fid_infinity(benchmark::State& state) {
  sets(state, [](const auto& a, const auto& b) { return frechet_distance_infinity(a, b).value; });
}
void precision_and_recall(benchmark::State& state) {
  sets(state, [](const auto& a, const auto& b) { return manifold(a, b).recall; });
}

BENCHMARK(efficientnet_features)->Arg(64)->Arg(256)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(radiomics_features)->Arg(64)->Arg(256)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(kid)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(fid)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(fid_infinity)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(1);
BENCHMARK(precision_and_recall)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace medaug

BENCHMARK_MAIN();
