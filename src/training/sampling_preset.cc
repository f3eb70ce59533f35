// SPDX-License-Identifier: MIT
#include "training/sampling_preset.h"

#include <cstdint>

namespace medaug {
namespace {

struct Recipe {
  SamplingPreset preset;
  Solver solver;
  std::int64_t steps;
  double time_shift, text;
  std::int64_t channels;
};

/// Lumina-Next's demo takes 30 grid points and RetinaLogos 50, that is one interval less; both
/// guide the first three latent channels alone.
constexpr Recipe kRecipes[] = {{SamplingPreset::kOriginal, Solver::kEuler, 50, 1.0, 7.5, 0},
                               {SamplingPreset::kLumina, Solver::kMidpoint, 29, 4.0, 4.0, 3},
                               {SamplingPreset::kRetinaLogos, Solver::kEuler, 49, 1.0, 4.0, 3}};
constexpr double kNeverProjected = 1000.0;

}  // namespace

void apply_sampling_preset(SamplingPreset preset, SamplerOptions& sampler,
                           GuidanceOptions& guidance) {
  for (const auto& recipe : kRecipes) {
    if (preset != recipe.preset) {
      continue;
    }
    sampler.solver = recipe.solver;
    sampler.grid = TimeGrid::kLinear;
    sampler.steps = recipe.steps;
    sampler.time_shift = recipe.time_shift;
    guidance.text = recipe.text;
    guidance.interval_low = 0.0;
    guidance.interval_high = 1.0;
    guidance.channels = recipe.channels;
    if (preset != SamplingPreset::kOriginal) {
      guidance.projected_above = kNeverProjected;
    }
  }
}

}  // namespace medaug
