// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/fields.h"
#include "flow/path.h"

namespace medaug {

/// dz/dt at (z, t); t is the same for the whole batch, in [0, 1].
using VelocityField = std::function<at::Tensor(const at::Tensor& z, double time)>;

enum class Solver {
  kEuler,
  kMidpoint,
  kHeun,
  kHeun3,
  kRk4,     ///< the 3/8 rule
  kDopri5,  ///< adaptive; its steps depend on the whole batch
  kDopri8,  ///< likewise
  kDpm2m,   ///< DPM-Solver++ 2M in x-form: second order at one evaluation a step
  kDpm3m,   ///< the third order
  kUnipc,   ///< UniPC of order 2 (bh2)
};
template <>
struct EnumNames<Solver> {
  static constexpr std::pair<Solver, std::string_view> kNames[] = {
      {Solver::kEuler, "euler"},   {Solver::kMidpoint, "midpoint"}, {Solver::kHeun, "heun"},
      {Solver::kHeun3, "heun3"},   {Solver::kRk4, "rk4"},           {Solver::kDopri5, "dopri5"},
      {Solver::kDopri8, "dopri8"}, {Solver::kDpm2m, "dpm2m"},       {Solver::kDpm3m, "dpm3m"},
      {Solver::kUnipc, "unipc"}};
};

enum class TimeGrid { kLinear, kLogit };
template <>
struct EnumNames<TimeGrid> {
  static constexpr std::pair<TimeGrid, std::string_view> kNames[] = {{TimeGrid::kLinear, "linear"},
                                                                     {TimeGrid::kLogit, "logit"}};
};

/// Whether the solver's steps follow the error of the whole batch.
inline bool is_adaptive(Solver solver) {
  return solver == Solver::kDopri5 || solver == Solver::kDopri8;
}

struct SamplerOptions {
  Solver solver = Solver::kUnipc;
  std::int64_t steps = 10;  ///< intervals of the grid
  TimeGrid grid = TimeGrid::kLogit;
  double logit_low = 0.02;  ///< first and last inner time of the logit grid
  double logit_high = 0.98;
  double time_shift = 1.0;  ///< t / (t + k (1 - t)); above 1 spends more steps near noise
  /// The last interval by one Euler step, for the solvers that would evaluate the field at time 1:
  /// an image prediction has no velocity there (JiT, arXiv 2511.13720). Matters to heun, rk4,
  /// dopri5 and dopri8.
  bool euler_last = true;
  double rtol = 1e-3;  ///< dopri5, dopri8
  double atol = 1e-6;
};
template <class Visitor>
void describe(Visitor& visit, SamplerOptions& o) {
  visit(Field{.name = "solver", .help = "ODE solver"}, o.solver);
  visit(Field{.name = "steps", .help = "solver steps", .min = 1, .max = 10000}, o.steps);
  visit(Field{.name = "grid", .help = "spacing of the times"}, o.grid);
  visit(Field{.name = "logit_low",
              .help = "first inner time of the logit grid",
              .min = 1e-4,
              .max = 0.5},
        o.logit_low);
  visit(Field{.name = "logit_high",
              .help = "last inner time of the logit grid",
              .min = 0.5,
              .max = 0.9999},
        o.logit_high);
  visit(Field{.name = "time_shift",
              .help = "above 1 spends more steps near noise",
              .min = 0.01,
              .max = 100},
        o.time_shift);
  visit(Field{.name = "euler_last",
              .help = "last interval by one Euler step (heun, rk4, dopri5, dopri8)"},
        o.euler_last);
  visit(Field{.name = "rtol",
              .help = "relative tolerance of dopri5 and dopri8",
              .min = 1e-12,
              .max = 1},
        o.rtol);
  visit(Field{.name = "atol",
              .help = "absolute tolerance of dopri5 and dopri8",
              .min = 1e-12,
              .max = 1},
        o.atol);
}

/// Times from 0 to 1, `steps` + 1 of them.
/// @throws Error kInvalidArgument when there are no steps or the logit range is empty
std::vector<double> time_grid(const SamplerOptions& options);

/// The part of `grid` that starts from an image instead of noise: the first floor(points (1 -
/// strength)) times are cut. Start it from `interpolate(image, noise, grid.front())`. Strength 1
/// keeps the whole grid.
std::vector<double> cut_grid(const std::vector<double>& grid, double strength);

/// Called after each step with the state and the step's number (from 1); returning false stops
/// early (cancel).
using StepCallback =
    std::function<bool(std::int64_t step, std::int64_t steps, const at::Tensor& z)>;

/// Integrates from the first to the last time of `grid`; the state keeps its dtype. The multistep
/// solvers work on x-hat = z + (1 - t) v. Apart from dopri5 and dopri8, whose steps follow the
/// error of the whole batch, every operation is element by element: an image comes out with the
/// same bits alone and in any batch, if the field keeps to that.
/// @param grid  at least two times in [0, 1], strictly increasing
/// @throws Error kInvalidArgument for another grid; kNumeric when an adaptive solver cannot reach
/// its tolerance
at::Tensor integrate(const VelocityField& field, at::Tensor z, const std::vector<double>& grid,
                     const SamplerOptions& options, const StepCallback& on_step = {});

struct GuidanceOptions {
  double text = 1.0;          ///< w of the caption; 1 = off
  double mask = 1.0;          ///< w of the mask; 1 = off (the mask stays in both branches)
  double interval_low = 0.1;  ///< guidance acts for times in [low, high]
  double interval_high = 0.9;
  double projected_above =
      5.0;  ///< scales above this use adaptive projected guidance (arXiv 2410.02416)
  double projected_eta = 0.0;
  double projected_rms = 0.12;  ///< largest root mean square of the guidance term per image
  double projected_momentum = -0.5;
  /// Guidance acts on so many first channels, the others stay as they are; 0 = on all. Lumina-Next
  /// guides 3 of its 4 latent channels.
  std::int64_t channels = 0;
};
template <class Visitor>
void describe(Visitor& visit, GuidanceOptions& o) {
  visit(
      Field{.name = "text", .help = "guidance scale of the caption; 1 = off", .min = 0, .max = 100},
      o.text);
  visit(Field{.name = "mask", .help = "guidance scale of the mask; 1 = off", .min = 0, .max = 100},
        o.mask);
  visit(Field{.name = "interval_low", .help = "guidance acts from this time", .min = 0, .max = 1},
        o.interval_low);
  visit(Field{.name = "interval_high", .help = "guidance acts to this time", .min = 0, .max = 1},
        o.interval_high);
  visit(Field{.name = "projected_above",
              .help = "scales above this use adaptive projected guidance",
              .min = 1,
              .max = 1000},
        o.projected_above);
  visit(Field{.name = "projected_eta",
              .help = "share of the parallel part that is kept",
              .min = 0,
              .max = 1},
        o.projected_eta);
  visit(Field{.name = "projected_rms",
              .help = "largest root mean square of the guidance term per image",
              .min = 0,
              .max = 1e6},
        o.projected_rms);
  visit(Field{.name = "projected_momentum",
              .help = "running average of the guidance term",
              .min = -1,
              .max = 1},
        o.projected_momentum);
  visit(Field{.name = "channels",
              .help = "guidance acts on so many first channels; 0 = all",
              .min = 0,
              .max = 64},
        o.channels);
}

}  // namespace medaug
