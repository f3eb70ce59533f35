// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <deque>
#include <vector>

// Multistep solvers of the straight path in x-form: they combine the image predictions x-hat of the
// last steps, at one evaluation a step. With t as everywhere (0 noise, 1 image) and lambda(t) =
// ln(t / (1 - t)), half the log of the signal-to-noise ratio. A noise scale cancels out.

namespace medaug {

/// An image prediction and its time.
struct PastImage {
  double time;
  at::Tensor image;
};

/// How the second-order term of DPM-Solver++ is weighted.
enum class MultistepForm { kMidpoint, kHeun };

/// DPM-Solver++ of order 1 to 3 (Lu et al., arXiv 2211.01095, equations for 1, 2M and 3M in data
/// prediction).
class DpmSolver {
 public:
  explicit DpmSolver(int order, MultistepForm form = MultistepForm::kMidpoint)
      : order_(order), form_(form) {}

  /// The state at `next` from z and x-hat at `time`, by at most `order`: the order is also limited
  /// by how many images with finite lambda came before, and is 1 for a step from time 0 or to
  /// time 1.
  at::Tensor step(const at::Tensor& z, const at::Tensor& image, double time, double next,
                  int order = 3);

 private:
  int order_;
  MultistepForm form_;
  std::deque<PastImage> past_;  // newest first
};

/// UniPC with B(h) = expm1(h) (Zhao et al., arXiv 2302.04867): each new prediction first corrects
/// the step that led to it. Use: `z = correct(z, image, t)`, then `z = predict(z, t, next, order)`.
class UnipcSolver {
 public:
  explicit UnipcSolver(int order) : order_(order) {}

  /// The corrected state at `time`, from the predicted one and the image predicted there; remembers
  /// the image.
  at::Tensor correct(const at::Tensor& z, const at::Tensor& image, double time);
  /// The state at `next` from the corrected one at `time`.
  at::Tensor predict(const at::Tensor& z, double time, double next, int order);

 private:
  int order_;
  int last_order_ = 0;          // of the step to be corrected; 0 before the first
  at::Tensor last_z_;           // where that step began
  std::deque<PastImage> past_;  // newest first
};

}  // namespace medaug
