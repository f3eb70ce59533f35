// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "flow/sampler.h"

// Explicit Runge-Kutta methods: the step of a fixed grid and the adaptive pairs of Dormand and
// Prince.

namespace medaug {

/// Coefficients of an explicit method. Stage i is evaluated at t + nodes[i] h in y + h sum_j
/// stages[i][j] k_j.
struct Tableau {
  int order = 1;
  std::vector<double> nodes;                ///< the first is 0
  std::vector<std::vector<double>> stages;  ///< the first is empty
  std::vector<double> weights;              ///< of the k in the result
  std::vector<double> errors = {};  ///< likewise, of the error estimate; adaptive methods only
  std::vector<double> middle = {};  ///< likewise, of the state at t + h / 2
};

const Tableau& tableau_of(Solver solver);

/// y at `t1` by one step from (y, t0).
at::Tensor runge_kutta_step(const VelocityField& field, const at::Tensor& y, double t0, double t1,
                            const Tableau& tableau);

struct AdaptiveTolerance {
  double relative;
  double absolute;
};

/// Steps as large as the tolerance allows and reads off the grid by a polynomial of degree 4. Step
/// size control and the norm (root mean square over the whole state) are those of torchdiffeq
/// 0.2.5; the first step is Hairer, Norsett and Wanner, "Solving Ordinary Differential Equations
/// I", section II.4. Times are float64 whatever the state is.
class AdaptiveIntegrator {
 public:
  /// `field` and `tableau` must outlive the integrator.
  AdaptiveIntegrator(const VelocityField& field, at::Tensor y, double time, const Tableau& tableau,
                     AdaptiveTolerance tolerance);

  /// The state at `time`, which must not lie before an earlier one.
  at::Tensor advance_to(double time);

 private:
  double first_step() const;
  void try_step();
  void fit(const at::Tensor& y1, const std::vector<at::Tensor>& k, double h);
  double error_ratio(const at::Tensor& error, const at::Tensor& y1) const;

  const VelocityField& field_;
  const Tableau& tableau_;
  AdaptiveTolerance tolerance_;
  at::Tensor y_;   // at t1_
  at::Tensor dy_;  // the field there
  double t0_;      // the last accepted step ran from t0_ ...
  double t1_;      // ... to t1_
  double step_;
  std::vector<at::Tensor> polynomial_;  // of (t - t0_) / (t1_ - t0_), constant first
};

}  // namespace medaug
