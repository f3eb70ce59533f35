// SPDX-License-Identifier: MIT
#pragma once

#include "flow/sampler.h"
#include "training/options.h"

namespace medaug {

/// Sets what a preset stands for; kDefault changes nothing.
void apply_sampling_preset(SamplingPreset preset, SamplerOptions& sampler,
                           GuidanceOptions& guidance);

}  // namespace medaug
