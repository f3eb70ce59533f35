// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "case_folder.h"

// Noise levels of diffusers' flow schedulers, sigma = 1 - t, in their arithmetic: float64, then
// rounded to float32. Needed for parity only; medaug's own grids are `time_grid`.

namespace medaug::golden {

struct SigmaGrid {
  std::vector<double> sigmas;     ///< one per state: from noise to image, the last is mostly 0
  std::vector<double> timesteps;  ///< as the scheduler names them
};

SigmaGrid dpm_sigmas(std::int64_t steps, const Json& config);
SigmaGrid unipc_sigmas(std::int64_t steps, const Json& config);
/// @param mu  shift of the dynamic grid; unused otherwise
SigmaGrid euler_sigmas(std::int64_t steps, const Json& config, double mu);

}  // namespace medaug::golden
