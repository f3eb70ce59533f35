// SPDX-License-Identifier: MIT
#include "flow/sampler.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "flow/multistep.h"
#include "flow/runge_kutta.h"

namespace medaug {
namespace {

constexpr int kUnipcOrder = 2;

double logit(double t) { return std::log(t / (1.0 - t)); }

// `steps` - 1 inner times, evenly spaced in the logit; a single one lies in the middle.
std::vector<double> logit_times(const SamplerOptions& options) {
  const double low = logit(options.logit_low);
  const double high = logit(options.logit_high);
  const auto inner = options.steps - 1;
  std::vector<double> times{0.0};
  for (std::int64_t i = 0; i < inner; ++i) {
    const double share = inner == 1 ? 0.5 : static_cast<double>(i) / static_cast<double>(inner - 1);
    times.push_back(1.0 / (1.0 + std::exp(-(low + (high - low) * share))));
  }
  times.push_back(1.0);
  return times;
}

std::vector<double> linear_times(std::int64_t steps) {
  std::vector<double> times;
  for (std::int64_t i = 0; i <= steps; ++i) {
    times.push_back(static_cast<double>(i) / static_cast<double>(steps));
  }
  return times;
}

void check_grid(const std::vector<double>& grid) {
  const bool rises =
      std::adjacent_find(grid.begin(), grid.end(), std::greater_equal<>()) == grid.end();
  if (grid.size() < 2 || !rises || grid.front() < 0.0 || grid.back() > 1.0) {
    throw Error(ErrorCode::kInvalidArgument, "grid",
                "must hold at least two times in [0, 1], strictly increasing");
  }
}

bool evaluates_next_time(Solver solver) {
  return solver == Solver::kHeun || solver == Solver::kRk4 || is_adaptive(solver);
}

at::Tensor image_at(const VelocityField& field, const at::Tensor& z, double time) {
  return z + field(z, time) * (1.0 - time);
}

// One step of the grid after the other; keeps what a method carries over between them.
class Stepper {
 public:
  Stepper(const VelocityField& field, const SamplerOptions& options)
      : field_(field),
        options_(options),
        dpm_(options.solver == Solver::kDpm3m ? 3 : 2),
        unipc_(kUnipcOrder) {}

  at::Tensor step(const at::Tensor& z, double time, double next) {
    if (next >= 1.0 && options_.euler_last && evaluates_next_time(options_.solver)) {
      return runge_kutta_step(field_, z, time, next, tableau_of(Solver::kEuler));
    }
    switch (options_.solver) {
      case Solver::kDpm2m:
      case Solver::kDpm3m:
        return dpm_.step(z, image_at(field_, z, time), time, next);
      case Solver::kUnipc:
        return unipc_.predict(unipc_.correct(z, image_at(field_, z, time), time), time, next,
                              kUnipcOrder);
      case Solver::kDopri5:
      case Solver::kDopri8:
        return adaptive(z, time).advance_to(next);
      default:
        return runge_kutta_step(field_, z, time, next, tableau_of(options_.solver));
    }
  }

 private:
  AdaptiveIntegrator& adaptive(const at::Tensor& z, double time) {
    if (!adaptive_) {
      adaptive_.emplace(field_, z, time, tableau_of(options_.solver),
                        AdaptiveTolerance{options_.rtol, options_.atol});
    }
    return *adaptive_;
  }

  const VelocityField& field_;
  const SamplerOptions& options_;
  DpmSolver dpm_;
  UnipcSolver unipc_;
  std::optional<AdaptiveIntegrator> adaptive_;
};

}  // namespace

std::vector<double> time_grid(const SamplerOptions& options) {
  if (options.steps < 1 || !(options.logit_low > 0.0 && options.logit_low < options.logit_high &&
                             options.logit_high < 1.0)) {
    throw Error(ErrorCode::kInvalidArgument, "sampling",
                "needs steps >= 1 and 0 < logit_low < logit_high < 1");
  }
  auto times =
      options.grid == TimeGrid::kLogit ? logit_times(options) : linear_times(options.steps);
  for (auto& t : times) {
    t = t / (t + options.time_shift * (1.0 - t));
  }
  return times;
}

std::vector<double> cut_grid(const std::vector<double>& grid, double strength) {
  const double cut = std::floor(static_cast<double>(grid.size()) * (1.0 - strength));
  const auto first = static_cast<std::size_t>(std::max(cut, 0.0));
  if (!(strength > 0.0 && strength <= 1.0) || first + 2 > grid.size()) {
    throw Error(ErrorCode::kInvalidArgument, "strength",
                std::to_string(strength) + " leaves no step of " + std::to_string(grid.size() - 1),
                "use a strength in (0, 1] or more steps");
  }
  return {grid.begin() + static_cast<std::ptrdiff_t>(first), grid.end()};
}

at::Tensor integrate(const VelocityField& field, at::Tensor z, const std::vector<double>& grid,
                     const SamplerOptions& options, const StepCallback& on_step) {
  check_grid(grid);
  const auto steps = static_cast<std::int64_t>(grid.size()) - 1;
  Stepper stepper(field, options);
  for (std::int64_t i = 0; i < steps; ++i) {
    const auto at = static_cast<std::size_t>(i);
    z = stepper.step(z, grid[at], grid[at + 1]);
    if (on_step && !on_step(i + 1, steps, z)) {
      break;
    }
  }
  return z;
}

}  // namespace medaug
