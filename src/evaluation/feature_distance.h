// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

// Distances between two sets of images in a feature space. Everywhere: features are (N, D), one row
// an image, of any float type; the sums are made in float64. Too few rows are an Error kData, a
// feature that is not a finite number an Error kNumeric; sets without any spread, and sets smaller
// than D, have distances too.

namespace medaug {

/// Fréchet distance of two normal distributions (Heusel et al., arXiv 1706.08500): |m1 - m2|^2 +
/// tr(S1 + S2 - 2 (S1 S2)^(1/2)), covariances with n - 1. The last trace is the nuclear norm of A
/// B^T / sqrt((n1 - 1)(n2 - 1)) for the centred features A and B, which also holds when there are
/// fewer images than features. Its expectation falls with n: compare at equal n, or extrapolate.
/// @param x, y  at least two rows each
double frechet_distance(const at::Tensor& x, const at::Tensor& y);

struct ExtrapolatedDistance {
  double value = 0.0;      ///< at n = infinity
  double deviation = 0.0;  ///< standard error of that intercept
};
/// FID-infinity (Chong and Forsyth, arXiv 1911.07023): a line through the Fréchet distances of
/// random subsets of `generated`, of fifteen sizes from a quarter of it to the whole, evenly spread
/// in 1 / n, against the whole of `real` (whose own size is not corrected for).
/// @param generated  at least twenty rows
ExtrapolatedDistance frechet_distance_infinity(const at::Tensor& real, const at::Tensor& generated,
                                               std::uint64_t seed = 0);

struct KernelDistance {
  double value = 0.0;
  double deviation = 0.0;  ///< standard error, jackknife over the rows of both sets
};
/// Kernel inception distance: unbiased squared maximum mean discrepancy with the kernel
/// (x . y / D + 1)^3 (Bińkowski et al., arXiv 1801.01401). May be below zero. Not multiplied by
/// 1000.
/// @param x, y  at least three rows each
KernelDistance kernel_distance(const at::Tensor& x, const at::Tensor& y);

/// Kynkäänniemi et al. (arXiv 1904.06991) and Naeem et al. (arXiv 2002.09797); a row's ball reaches
/// to its k-th neighbour of its own set.
struct Manifold {
  double precision = 0.0;  ///< share of generated images inside a ball of real ones: fidelity
  double recall = 0.0;     ///< share of real images inside a ball of generated ones: variety
  double density = 0.0;    ///< balls of real images around a generated one, over k
  double coverage = 0.0;   ///< share of real images with a generated one in their ball
};
/// @param real, generated  more than k rows each
Manifold manifold(const at::Tensor& real, const at::Tensor& generated, std::int64_t k = 5);

struct Nearest {
  std::vector<std::int64_t> index;  ///< row of the other set
  std::vector<double> distance;     ///< Euclidean
};
/// The nearest row of `to` for each row of `from`.
Nearest nearest_rows(const at::Tensor& from, const at::Tensor& to);

/// AuthPct (Alaa et al., "How faithful is your synthetic data?", 2022): the percentage of generated
/// rows that are farther from their nearest training row than that one is from its own nearest
/// training row. New real images of the same kind reach about the same: compare with theirs.
/// @param training  two rows or more
double authentic_percent(const at::Tensor& training, const at::Tensor& generated);

}  // namespace medaug
