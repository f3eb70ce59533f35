// SPDX-License-Identifier: MIT
#include "flow/runge_kutta.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/maximum.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "base/error.h"

namespace medaug {
namespace {

constexpr double kSafety = 0.9;
constexpr double kLargestGrowth = 10.0;
constexpr double kSmallestGrowth = 0.2;
constexpr int kMostSteps = 10000;

// h sum_j weights[j] k_j. Products and sums stay separate: a fused multiply-add would round by an
// element's place in the tensor, and with that by the batch around it.
at::Tensor combine(const std::vector<at::Tensor>& k, const std::vector<double>& weights, double h) {
  at::Tensor sum;
  for (std::size_t j = 0; j < weights.size(); ++j) {
    if (weights[j] == 0.0) {
      continue;
    }
    const auto term = k[j] * (weights[j] * h);
    sum = sum.defined() ? sum + term : term;
  }
  return sum;
}

std::vector<at::Tensor> evaluate_stages(const VelocityField& field, const at::Tensor& y,
                                        const at::Tensor& dy, std::pair<double, double> interval,
                                        const Tableau& tableau) {
  const auto [t0, t1] = interval;
  std::vector<at::Tensor> k{dy};
  for (std::size_t i = 1; i < tableau.nodes.size(); ++i) {
    const double node = tableau.nodes[i];
    const double time = node == 1.0 ? t1 : t0 + node * (t1 - t0);
    k.push_back(field(y + combine(k, tableau.stages[i], t1 - t0), time));
  }
  return k;
}

double rms(const at::Tensor& x) { return x.abs().pow(2).mean().sqrt().item<double>(); }

}  // namespace

at::Tensor runge_kutta_step(const VelocityField& field, const at::Tensor& y, double t0, double t1,
                            const Tableau& tableau) {
  const auto k = evaluate_stages(field, y, field(y, t0), {t0, t1}, tableau);
  return y + combine(k, tableau.weights, t1 - t0);
}

AdaptiveIntegrator::AdaptiveIntegrator(const VelocityField& field, at::Tensor y, double time,
                                       const Tableau& tableau, AdaptiveTolerance tolerance)
    : field_(field),
      tableau_(tableau),
      tolerance_(tolerance),
      y_(std::move(y)),
      dy_(field(y_, time)),
      t0_(time),
      t1_(time),
      step_(first_step()) {}

double AdaptiveIntegrator::first_step() const {
  const auto scale = tolerance_.absolute + y_.abs() * tolerance_.relative;
  const double d0 = rms(y_ / scale);
  const double d1 = rms(dy_ / scale);
  const double h0 = d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : 0.01 * d0 / d1;
  const auto dy1 = field_(y_ + dy_ * h0, t1_ + h0);
  const double d2 = rms((dy1 - dy_) / scale) / h0;
  const double h1 = d1 <= 1e-15 && d2 <= 1e-15
                        ? std::max(1e-6, h0 * 1e-3)
                        : std::pow(0.01 / std::max(d1, d2), 1.0 / tableau_.order);
  return std::min(100.0 * h0, h1);
}

at::Tensor AdaptiveIntegrator::advance_to(double time) {
  for (int tries = 0; time > t1_; ++tries) {
    if (tries == kMostSteps || !std::isfinite(step_) || t1_ + step_ <= t1_) {
      throw Error(ErrorCode::kNumeric, "t = " + std::to_string(t1_),
                  "the adaptive solver cannot reach its tolerance",
                  "raise rtol and atol, or use a solver with a fixed grid");
    }
    try_step();
  }
  if (polynomial_.empty()) {
    return y_;
  }
  const double x = (time - t0_) / (t1_ - t0_);
  double power = 1.0;
  at::Tensor sum = polynomial_.front();
  for (std::size_t i = 1; i < polynomial_.size(); ++i) {
    power *= x;
    sum = sum + polynomial_[i] * power;
  }
  return sum;
}

void AdaptiveIntegrator::try_step() {
  const double h = step_;
  const double next = t1_ + h;
  const auto k = evaluate_stages(field_, y_, dy_, {t1_, next}, tableau_);
  const auto y1 = y_ + combine(k, tableau_.weights, h);
  const double ratio = error_ratio(combine(k, tableau_.errors, h), y1);
  if (!std::isfinite(ratio)) {
    throw Error(ErrorCode::kNumeric, "t = " + std::to_string(t1_), "the velocity is not finite",
                "use a solver with a fixed grid, or another model");
  }
  if (ratio <= 1.0) {
    fit(y1, k, h);
    y_ = y1;
    dy_ = k.back();
    t0_ = std::exchange(t1_, next);
  }
  const double smallest = ratio < 1.0 ? 1.0 : kSmallestGrowth;
  const double growth = kSafety / std::pow(ratio, 1.0 / tableau_.order);
  step_ =
      h * (ratio == 0.0 ? kLargestGrowth : std::min(kLargestGrowth, std::max(growth, smallest)));
}

double AdaptiveIntegrator::error_ratio(const at::Tensor& error, const at::Tensor& y1) const {
  const auto largest = at::maximum(y_.abs(), y1.abs());
  return rms(error / (tolerance_.absolute + largest * tolerance_.relative));
}

void AdaptiveIntegrator::fit(const at::Tensor& y1, const std::vector<at::Tensor>& k, double h) {
  const auto& y0 = y_;
  const auto middle = y0 + combine(k, tableau_.middle, h);
  const auto f0 = k.front() * h;
  const auto f1 = k.back() * h;
  polynomial_ = {y0, f0, f1 - f0 * 4.0 - y0 * 11.0 - y1 * 5.0 + middle * 16.0,
                 f0 * 5.0 - f1 * 3.0 + y0 * 18.0 + y1 * 14.0 - middle * 32.0,
                 (f1 - f0) * 2.0 - (y1 + y0) * 8.0 + middle * 16.0};
}

}  // namespace medaug
