// SPDX-License-Identifier: MIT
#include "models/patches.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>

#include <cmath>

namespace medaug {

using at::Tensor;

Tensor patchify(const Tensor& x, std::int64_t p) {
  const auto n = x.size(0), c = x.size(1), h = x.size(2) / p, w = x.size(3) / p;
  const auto cells = x.view({n, c, h, p, w, p}).permute({0, 2, 4, 1, 3, 5});  // (N, h, w, C, p, p)
  return cells.reshape({n, h * w, c * p * p});                                // (N, T, C p p)
}

Tensor unpatchify(const Tensor& tokens, std::int64_t p, std::int64_t height, std::int64_t width) {
  const auto n = tokens.size(0), h = height / p, w = width / p, c = tokens.size(2) / (p * p);
  const auto cells =
      tokens.slice(1, 0, h * w).reshape({n, h, w, p, p, c}).permute({0, 5, 1, 3, 2, 4});
  return cells.reshape({n, c, height, width});  // (N, C, H, W)
}

Tensor time_embedding(const Tensor& time, std::int64_t width) {
  // Always float32: a buffer of the module would be rounded with its weights.
  const auto half = width / 2;
  const auto k = at::arange(half, time.options().dtype(at::kFloat));
  const auto angles = time.to(at::kFloat).unsqueeze(1) *
                      (k * (-std::log(10000.0) / static_cast<double>(half))).exp();
  return at::cat({angles.cos(), angles.sin()}, 1);  // (N, width)
}

}  // namespace medaug
