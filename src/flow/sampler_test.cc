// SPDX-License-Identifier: MIT
#include "flow/sampler.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/tanh.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"

namespace medaug {
namespace {

SamplerOptions linear_steps(Solver solver, std::int64_t steps) {
  return {.solver = solver, .steps = steps, .grid = TimeGrid::kLinear, .euler_last = false};
}

double solve_scalar(const VelocityField& field, double start, const SamplerOptions& options) {
  const auto z = at::full({1}, start, at::kDouble);
  return integrate(field, z, time_grid(options), options).item<double>();
}

// y' = (t - 2) y, smooth and neither linear in t nor exact for any solver here.
at::Tensor bent_field(const at::Tensor& z, double time) { return z * (time - 2.0); }
const double kBentEnd = std::exp(-1.5);

TEST(TimeGrid, LinearWithShiftMatchesHandValues) {
  SamplerOptions options{.steps = 4, .grid = TimeGrid::kLinear, .time_shift = 4.0};
  const auto grid = time_grid(options);
  const std::vector<double> want{0.0, 0.25 / 3.25, 0.2, 0.75 / 1.75, 1.0};
  ASSERT_EQ(grid.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_DOUBLE_EQ(grid[i], want[i]);
  }
}

TEST(TimeGrid, LogitIsEvenInTheLogitAndEndsAtZeroAndOne) {
  const auto grid = time_grid({.steps = 4, .grid = TimeGrid::kLogit});
  ASSERT_EQ(grid.size(), 5U);
  EXPECT_EQ(grid[0], 0.0);
  EXPECT_DOUBLE_EQ(grid[1], 0.02);
  EXPECT_DOUBLE_EQ(grid[2], 0.5);
  EXPECT_DOUBLE_EQ(grid[3], 0.98);
  EXPECT_EQ(grid[4], 1.0);
}

TEST(TimeGrid, WorksWithOneAndTwoSteps) {
  EXPECT_EQ(time_grid({.steps = 1}), (std::vector<double>{0.0, 1.0}));
  EXPECT_DOUBLE_EQ(time_grid({.steps = 2}).at(1), 0.5);
}

TEST(TimeGrid, RejectsNoSteps) { EXPECT_THROW(time_grid({.steps = 0}), Error); }

TEST(CutGrid, DropsTheShareOfTimesBeforeTheStart) {
  const std::vector<double> grid{0.0, 0.25, 0.5, 0.75, 1.0};
  EXPECT_EQ(cut_grid(grid, 1.0), grid);
  EXPECT_EQ(cut_grid(grid, 0.6), (std::vector<double>{0.5, 0.75, 1.0}));
  EXPECT_THROW(cut_grid(grid, 0.0), Error);
  EXPECT_THROW(cut_grid(grid, 0.1), Error);
}

class EverySolver : public testing::TestWithParam<Solver> {};

TEST_P(EverySolver, FollowsAConstantVelocityExactly) {
  const auto field = [](const at::Tensor& z, double) { return at::full_like(z, 3.0); };
  EXPECT_NEAR(solve_scalar(field, -1.0, linear_steps(GetParam(), 5)), 2.0, 1e-12);
}

TEST_P(EverySolver, EndsInTheImageForAFieldThatPointsAtIt) {
  const auto field = [](const at::Tensor& z, double t) { return (0.25 - z) / (1.0 - t); };
  SamplerOptions options{.solver = GetParam(), .steps = 8};
  const auto z = at::full({2, 1, 2, 2}, -3.0);
  const auto end = integrate(field, z, time_grid(options), options);
  EXPECT_LT((end - 0.25).abs().max().item<double>(), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Flow, EverySolver,
                         testing::Values(Solver::kEuler, Solver::kMidpoint, Solver::kHeun,
                                         Solver::kHeun3, Solver::kRk4, Solver::kDopri5,
                                         Solver::kDopri8, Solver::kDpm2m, Solver::kDpm3m,
                                         Solver::kUnipc),
                         [](const auto& param) { return std::string(enum_name(param.param)); });

// The adaptive solvers are left out: their steps follow the whole batch.
class FixedGridSolver : public testing::TestWithParam<Solver> {};

TEST_P(FixedGridSolver, GivesTheSameBitsAloneAndInABatch) {
  const auto field = [](const at::Tensor& z, double t) { return z.tanh() * (1.0 + t) - z; };
  const auto z = (at::arange(5 * 1 * 7 * 3, at::kFloat) * 0.37).sin().view({5, 1, 7, 3});
  for (const auto grid : {TimeGrid::kLinear, TimeGrid::kLogit}) {
    const SamplerOptions options{.solver = GetParam(), .steps = 6, .grid = grid};
    const auto together = integrate(field, z, time_grid(options), options);
    for (std::int64_t i = 0; i < z.size(0); ++i) {
      const auto alone = integrate(field, z.narrow(0, i, 1), time_grid(options), options);
      EXPECT_TRUE(alone.equal(together.narrow(0, i, 1))) << "image " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Flow, FixedGridSolver,
                         testing::Values(Solver::kEuler, Solver::kMidpoint, Solver::kHeun,
                                         Solver::kHeun3, Solver::kRk4, Solver::kDpm2m,
                                         Solver::kDpm3m, Solver::kUnipc),
                         [](const auto& param) { return std::string(enum_name(param.param)); });

struct Order {
  Solver solver;
  double order;
};
class SingleStepSolver : public testing::TestWithParam<Order> {};

TEST_P(SingleStepSolver, ErrorFallsWithItsOrderWhenStepsAreHalved) {
  const auto [solver, order] = GetParam();
  const double coarse = solve_scalar(bent_field, 1.0, linear_steps(solver, 20)) - kBentEnd;
  const double fine = solve_scalar(bent_field, 1.0, linear_steps(solver, 40)) - kBentEnd;
  EXPECT_NEAR(std::log2(std::abs(coarse / fine)), order, 0.2);
}

INSTANTIATE_TEST_SUITE_P(Flow, SingleStepSolver,
                         testing::Values(Order{Solver::kEuler, 1}, Order{Solver::kMidpoint, 2},
                                         Order{Solver::kHeun, 2}, Order{Solver::kHeun3, 3},
                                         Order{Solver::kRk4, 4}),
                         [](const auto& param) {
                           return std::string(enum_name(param.param.solver));
                         });

// The multistep solvers are of their order in log-SNR, on intervals away from both ends.
double inner_error(Solver solver, int steps) {
  const auto options = linear_steps(solver, steps);
  std::vector<double> grid;
  for (int i = 0; i <= steps; ++i) {
    grid.push_back(1.0 / (1.0 + std::exp(2.0 - 4.0 * i / steps)));
  }
  const auto z = at::full({1}, 1.0, at::kDouble);
  const double end = integrate(bent_field, z, grid, options).item<double>();
  const auto exact = [](double t) { return std::exp(0.5 * t * t - 2.0 * t); };
  return std::abs(end - exact(grid.back()) / exact(grid.front()));
}

TEST(Multistep, SecondOrderForDpm2m) {
  EXPECT_NEAR(std::log2(inner_error(Solver::kDpm2m, 80) / inner_error(Solver::kDpm2m, 160)), 2.0,
              0.2);
}

TEST(Multistep, ThirdOrderSolverBeatsTheSecondOrderOne) {
  EXPECT_LT(inner_error(Solver::kDpm3m, 80), 0.5 * inner_error(Solver::kDpm2m, 80));
}

TEST(Multistep, UnipcIsAtLeastOfSecondOrder) {
  EXPECT_GT(std::log2(inner_error(Solver::kUnipc, 80) / inner_error(Solver::kUnipc, 160)), 1.8);
}

TEST(Multistep, FirstAndLastStepOf2mAreEuler) {
  const std::vector<double> first{0.0, 0.3};
  const std::vector<double> last{0.6, 1.0};
  const auto z = at::full({1}, 0.7, at::kDouble);
  for (const auto& grid : {first, last}) {
    const double euler =
        integrate(bent_field, z, grid, linear_steps(Solver::kEuler, 1)).item<double>();
    const double multistep =
        integrate(bent_field, z, grid, linear_steps(Solver::kDpm2m, 1)).item<double>();
    EXPECT_NEAR(euler, multistep, 1e-15);
  }
}

TEST(Multistep, SecondStepOf2mMatchesTheFormula) {
  // x-hat(z, t) = t for all z; grid 0.2, 0.5, 0.8: h = h_before = ln 4, r = 1.
  const auto field = [](const at::Tensor& z, double t) { return (t - z) / (1.0 - t); };
  const auto z = at::full({1}, 1.0, at::kDouble);
  const double first = 0.5 / 0.8 * 1.0 + 0.3 / 0.8 * 0.2;
  const double data = 1.5 * 0.5 - 0.5 * 0.2;
  const double want = 0.2 / 0.5 * first + 0.8 * (1.0 - 1.0 / 4.0) * data;
  const auto got = integrate(field, z, {0.2, 0.5, 0.8}, linear_steps(Solver::kDpm2m, 2));
  EXPECT_NEAR(got.item<double>(), want, 1e-14);
}

TEST(Adaptive, MeetsItsTolerance) {
  auto options = linear_steps(Solver::kDopri5, 3);
  options.rtol = 1e-9;
  options.atol = 1e-9;
  EXPECT_NEAR(solve_scalar(bent_field, 1.0, options), kBentEnd, 1e-8);
  options.solver = Solver::kDopri8;  // long steps, read off by a polynomial of degree 4
  EXPECT_NEAR(solve_scalar(bent_field, 1.0, options), kBentEnd, 2e-6);
}

TEST(Adaptive, SaysSoWhenTheFieldIsNotFinite) {
  const auto field = [](const at::Tensor& z, double) { return at::full_like(z, NAN); };
  EXPECT_THROW(solve_scalar(field, 1.0, linear_steps(Solver::kDopri5, 2)), Error);
}

TEST(Integrate, HeunEndsWithEulerByDefaultAndNeverAsksForTimeOne) {
  double latest = 0.0;
  const auto field = [&](const at::Tensor& z, double t) {
    latest = std::max(latest, t);
    return z;
  };
  SamplerOptions options{.solver = Solver::kHeun, .steps = 4, .grid = TimeGrid::kLinear};
  integrate(field, at::full({1}, 1.0), time_grid(options), options);
  EXPECT_EQ(latest, 0.75);
}

TEST(Integrate, StopsWhenTheCallbackSaysSo) {
  std::int64_t seen = 0;
  const auto options = linear_steps(Solver::kEuler, 4);
  const auto stop_after_two = [&](std::int64_t step, std::int64_t steps, const at::Tensor&) {
    EXPECT_EQ(steps, 4);
    seen = step;
    return step < 2;
  };
  const auto field = [](const at::Tensor& z, double) { return at::full_like(z, 1.0); };
  const auto z = integrate(field, at::full({1}, 0.0), time_grid(options), options, stop_after_two);
  EXPECT_EQ(seen, 2);
  EXPECT_DOUBLE_EQ(z.item<double>(), 0.5);
}

TEST(Integrate, KeepsTheDtypeOfTheState) {
  const auto options = linear_steps(Solver::kDpm2m, 4);
  const auto z = at::full({1, 1, 2, 2}, 1.0, at::kBFloat16);
  EXPECT_EQ(integrate(bent_field, z, time_grid(options), options).scalar_type(), at::kBFloat16);
}

TEST(Integrate, RejectsAGridThatDoesNotRise) {
  const auto z = at::full({1}, 0.0);
  const SamplerOptions options;
  EXPECT_THROW(integrate(bent_field, z, {0.0, 0.5, 0.5, 1.0}, options), Error);
  EXPECT_THROW(integrate(bent_field, z, {0.5}, options), Error);
  EXPECT_THROW(integrate(bent_field, z, {0.0, 1.5}, options), Error);
}

}  // namespace
}  // namespace medaug
