// SPDX-License-Identifier: MIT
#include "flow/multistep.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace medaug {
namespace {

constexpr std::size_t kMostPast = 4;

double lambda(double time) { return std::log(time / (1.0 - time)); }

void remember(std::deque<PastImage>& past, double time, const at::Tensor& image) {
  past.push_front({time, image});
  if (past.size() > kMostPast) {
    past.pop_back();
  }
}

// Images that a step can use: the newest, and those before it whose lambda is finite.
int usable(const std::deque<PastImage>& past) {
  const auto finite =
      std::count_if(past.begin() + 1, past.end(), [](const PastImage& p) { return p.time > 0.0; });
  return 1 + static_cast<int>(finite);
}

// The exact solution for an x-hat that stays: Euler's step, whatever its length.
at::Tensor first_order(const at::Tensor& z, const at::Tensor& image, double time, double next) {
  const double remaining = 1.0 - time;
  return z * ((1.0 - next) / remaining) + image * ((next - time) / remaining);
}

// Gaussian elimination with partial pivoting; at most 3 by 3.
std::vector<double> solve(std::vector<std::vector<double>> a, std::vector<double> b) {
  const std::size_t n = b.size();
  for (std::size_t c = 0; c < n; ++c) {
    std::size_t pivot = c;
    for (std::size_t r = c + 1; r < n; ++r) {
      pivot = std::abs(a[r][c]) > std::abs(a[pivot][c]) ? r : pivot;
    }
    std::swap(a[c], a[pivot]);
    std::swap(b[c], b[pivot]);
    for (std::size_t r = 0; r < n; ++r) {
      const double factor = r == c ? 0.0 : a[r][c] / a[c][c];
      for (std::size_t k = c; k < n; ++k) {
        a[r][k] -= factor * a[c][k];
      }
      b[r] -= factor * b[c];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    b[i] /= a[i][i];
  }
  return b;
}

// rho of the system R rho = b in section 3.2 of UniPC: R[i][k] = r_k^i. The predictor leaves out
// the last row and column, which is the ratio 1 of the new image.
std::vector<double> unipc_weights(const std::vector<double>& ratios, double h) {
  const std::size_t n = ratios.size();
  std::vector<std::vector<double>> rows(n, std::vector<double>(n));
  std::vector<double> right(n);
  const double b_of_h = std::expm1(-h);
  double phi = b_of_h / -h - 1.0;
  double factorial = 1.0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < n; ++k) {
      rows[i][k] = std::pow(ratios[k], static_cast<double>(i));
    }
    right[i] = phi * factorial / b_of_h;
    factorial *= static_cast<double>(i + 2);
    phi = phi / -h - 1.0 / factorial;
  }
  return solve(std::move(rows), std::move(right));
}

// r_k = (lambda_k - lambda_0) / h of the images before the newest.
std::vector<double> past_ratios(const std::deque<PastImage>& past, int order, double h) {
  std::vector<double> ratios;
  for (std::size_t k = 1; k < static_cast<std::size_t>(order); ++k) {
    ratios.push_back((lambda(past[k].time) - lambda(past.front().time)) / h);
  }
  return ratios;
}

// sum_k weights[k] (image_k - image_0) / r_k
at::Tensor add_differences(at::Tensor sum, const std::deque<PastImage>& past,
                           const std::vector<double>& ratios, const std::vector<double>& weights) {
  for (std::size_t k = 0; k < ratios.size(); ++k) {
    const auto term = (past[k + 1].image - past.front().image) * (weights[k] / ratios[k]);
    sum = sum.defined() ? sum + term : term;
  }
  return sum;
}

}  // namespace

at::Tensor DpmSolver::step(const at::Tensor& z, const at::Tensor& image, double time, double next,
                           int order) {
  remember(past_, time, image);
  const bool at_end = time <= 0.0 || next >= 1.0;
  const int use = at_end ? 1 : std::min({order_, order, usable(past_)});
  const auto base = first_order(z, image, time, next);
  if (use == 1) {
    return base;
  }
  const double h = lambda(next) - lambda(time);
  const double r0 = (lambda(time) - lambda(past_[1].time)) / h;
  const double decay = std::expm1(-h);
  const auto d0 = (image - past_[1].image) * (1.0 / r0);
  const double first = next * (decay / h + 1.0);
  if (use == 2) {
    return base + d0 * (form_ == MultistepForm::kHeun ? first : -0.5 * next * decay);
  }
  const double r1 = (lambda(past_[1].time) - lambda(past_[2].time)) / h;
  const auto d1 = (past_[1].image - past_[2].image) * (1.0 / r1);
  const auto bend = (d0 - d1) * (1.0 / (r0 + r1));
  const double second = next * ((decay + h) / (h * h) - 0.5);
  return base + (d0 + bend * r0) * first - bend * second;
}

at::Tensor UnipcSolver::correct(const at::Tensor& z, const at::Tensor& image, double time) {
  at::Tensor corrected = z;
  if (last_order_ > 0) {
    const auto& before = past_.front();
    const double h = lambda(time) - lambda(before.time);
    auto ratios = past_ratios(past_, last_order_, h);
    ratios.push_back(1.0);
    const auto weights = last_order_ == 1 ? std::vector<double>{0.5} : unipc_weights(ratios, h);
    ratios.pop_back();
    const auto change =
        add_differences((image - before.image) * weights.back(), past_, ratios, weights);
    corrected =
        first_order(last_z_, before.image, before.time, time) - change * (time * std::expm1(-h));
  }
  remember(past_, time, image);
  return corrected;
}

at::Tensor UnipcSolver::predict(const at::Tensor& z, double time, double next, int order) {
  last_z_ = z;
  const bool at_end = time <= 0.0 || next >= 1.0;
  last_order_ = at_end ? 1 : std::min({order_, order, usable(past_)});
  const auto base = first_order(z, past_.front().image, time, next);
  if (last_order_ == 1) {
    return base;
  }
  const double h = lambda(next) - lambda(time);
  const auto ratios = past_ratios(past_, last_order_, h);
  const auto weights = last_order_ == 2 ? std::vector<double>{0.5} : unipc_weights(ratios, h);
  return base - add_differences({}, past_, ratios, weights) * (next * std::expm1(-h));
}

}  // namespace medaug
