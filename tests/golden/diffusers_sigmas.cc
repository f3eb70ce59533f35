// SPDX-License-Identifier: MIT
#include "diffusers_sigmas.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace medaug::golden {
namespace {

// numpy.linspace
std::vector<double> linspace(double first, double last, std::int64_t count) {
  std::vector<double> values;
  const double step = count > 1 ? (last - first) / static_cast<double>(count - 1) : 0.0;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(i + 1 == count && count > 1 ? last : first + static_cast<double>(i) * step);
  }
  return values;
}

double shifted(double sigma, double shift) { return shift * sigma / (1.0 + (shift - 1.0) * sigma); }

double round_to_float32(double x) { return static_cast<double>(static_cast<float>(x)); }

double train_steps(const Json& config) { return config.value("num_train_timesteps", 1000.0); }

// Integer timesteps, the final level, and everything rounded to float32.
SigmaGrid finished(std::vector<double> sigmas, double last, const Json& config) {
  SigmaGrid grid;
  for (auto& sigma : sigmas) {
    grid.timesteps.push_back(std::trunc(sigma * train_steps(config)));
    sigma = round_to_float32(sigma);
  }
  sigmas.push_back(round_to_float32(last));
  grid.sigmas = std::move(sigmas);
  return grid;
}

// The DDPM-style level of the first training step, whatever the path; the scheduler has it in
// float32.
double ddpm_lowest_sigma(const Json& config) {
  const float alpha = 1.0F - static_cast<float>(config.value("beta_start", 0.0001));
  return std::sqrt((1.0F - alpha) / alpha);
}

}  // namespace

SigmaGrid dpm_sigmas(std::int64_t steps, const Json& config) {
  std::vector<double> sigmas;
  for (const double alpha : linspace(1.0, 1.0 / train_steps(config), steps + 1)) {
    sigmas.push_back(shifted(1.0 - alpha, config.value("flow_shift", 1.0)));
  }
  std::reverse(sigmas.begin(), sigmas.end());
  sigmas.pop_back();
  const bool to_zero = config.value("final_sigmas_type", std::string("zero")) == "zero";
  return finished(std::move(sigmas), to_zero ? 0.0 : ddpm_lowest_sigma(config), config);
}

SigmaGrid unipc_sigmas(std::int64_t steps, const Json& config) {
  constexpr double kBelowOne = 1e-6;
  auto sigmas = linspace(1.0, 1.0 / train_steps(config), steps + 1);
  sigmas.pop_back();
  for (auto& sigma : sigmas) {
    sigma = shifted(sigma, config.value("flow_shift", 1.0));
  }
  if (std::abs(sigmas.front() - 1.0) < kBelowOne) {
    sigmas.front() -= kBelowOne;
  }
  const bool to_zero = config.value("final_sigmas_type", std::string("zero")) == "zero";
  const double last = to_zero ? 0.0 : sigmas.back();
  return finished(std::move(sigmas), last, config);
}

SigmaGrid euler_sigmas(std::int64_t steps, const Json& config, double mu) {
  const double count = train_steps(config);
  const bool dynamic = config.value("use_dynamic_shifting", false);
  const double shift = dynamic ? 1.0 : config.value("shift", 1.0);
  const double lowest = round_to_float32(shifted(round_to_float32(1.0 / count), shift));
  SigmaGrid grid;
  for (const double timestep : linspace(count, lowest * count, steps)) {
    const double sigma = timestep / count;
    grid.sigmas.push_back(dynamic ? std::exp(mu) / (std::exp(mu) + (1.0 / sigma - 1.0))
                                  : shifted(sigma, shift));
  }
  if (config.contains("shift_terminal") && config.at("shift_terminal").is_number()) {
    const double scale =
        (1.0 - grid.sigmas.back()) / (1.0 - config.at("shift_terminal").get<double>());
    for (auto& sigma : grid.sigmas) {
      sigma = 1.0 - (1.0 - sigma) / scale;
    }
  }
  for (auto& sigma : grid.sigmas) {
    sigma = round_to_float32(sigma);
    grid.timesteps.push_back(round_to_float32(sigma * count));
  }
  grid.sigmas.push_back(0.0);
  return grid;
}

}  // namespace medaug::golden
