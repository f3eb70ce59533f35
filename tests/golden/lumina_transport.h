// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "flow/sampler.h"

// What Lumina-T2X's transport package has beyond medaug: other paths, its order of random draws and
// float32 time grids. Needed for parity only.

namespace medaug::golden {

/// z_t = alpha x1 + sigma x0 with time derivatives, each (N).
struct PathPoint {
  at::Tensor alpha, sigma, d_alpha, d_sigma;
};

/// `linear`, `gvp` (generalised variance preserving) and `vp` (0.1 to 20), all with time 0 = noise.
std::map<std::string, std::function<PathPoint(const at::Tensor& time)>> lumina_paths();

at::Tensor path_state(const PathPoint& p, const at::Tensor& x0, const at::Tensor& x1);
at::Tensor path_velocity(const PathPoint& p, const at::Tensor& x0, const at::Tensor& x1);
at::Tensor score_from_velocity(const PathPoint& p, const at::Tensor& velocity, const at::Tensor& z);
at::Tensor noise_from_velocity(const PathPoint& p, const at::Tensor& velocity, const at::Tensor& z);

/// (N) training times of a `snr_type`: uniform, uniform_A_B, lognorm or shift_F.
at::Tensor lumina_times(const std::string& snr_type, std::int64_t count, at::Generator generator);

/// A linear grid with its shift in float32 arithmetic, as torchdiffeq gets it.
std::vector<double> float32_grid(const SamplerOptions& options);

}  // namespace medaug::golden
