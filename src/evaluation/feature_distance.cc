// SPDX-License-Identifier: MIT
#include "evaluation/feature_distance.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "config/concat.h"

namespace medaug {
namespace {

using at::Tensor;

/// Float64, when they are enough and all of them numbers. @param least  rows
Tensor checked(const Tensor& features, std::int64_t least) {
  if (features.size(0) < least) {
    throw Error(ErrorCode::kData, "feature distance",
                concat({std::to_string(features.size(0)), " images are too few"}),
                concat({"at least ", std::to_string(least), " are needed on each side"}));
  }
  if (features.size(1) == 0) {
    throw Error(ErrorCode::kData, "feature distance", "no feature differs between the images",
                "are the real images all the same?");
  }
  const auto x = features.to(at::kDouble).contiguous();
  if (!at::isfinite(x).all().item<bool>()) {
    throw Error(ErrorCode::kNumeric, "feature distance", "a feature is not a finite number",
                "the weights of the network that made the features may be damaged");
  }
  return x;
}

/// Both sets, in the same space.
std::pair<Tensor, Tensor> checked(const Tensor& x, const Tensor& y, std::int64_t least) {
  MEDAUG_ASSERT(x.size(1) == y.size(1));
  return {checked(x, least), checked(y, least)};
}

/// A factor R of the centred rows with R^T R = A^T A, and no more rows than columns.
Tensor factor_of(const Tensor& centred) {
  return centred.size(0) > centred.size(1) ? std::get<1>(at::linalg_qr(centred, "r")) : centred;
}

/// One set, ready for distances to several others.
struct Gaussian {
  Tensor mean, factor;
  double trace = 0.0;  ///< of the covariance
  double degrees = 1.0;

  explicit Gaussian(const Tensor& rows)
      : mean(rows.mean(0)), degrees(static_cast<double>(rows.size(0) - 1)) {
    const auto centred = rows - mean;
    trace = centred.square().sum().item<double>() / degrees;
    factor = factor_of(centred);
  }
};

double frechet(const Gaussian& x, const Gaussian& y) {
  const auto singular = at::linalg_svdvals(x.factor.matmul(y.factor.t()));
  const double root = singular.sum().item<double>() / std::sqrt(x.degrees * y.degrees);
  const double means = (x.mean - y.mean).square().sum().item<double>();
  return std::max(0.0, means + x.trace + y.trace - 2.0 * root);  // rounding: -1e-13 of equal sets
}

Tensor kernel(const Tensor& x, const Tensor& y) {
  return (x.matmul(y.t()) / static_cast<double>(x.size(1)) + 1.0).pow(3);
}

/// (N) distances of each row to its k-th neighbour of the same set.
Tensor radii(const Tensor& x, std::int64_t k) {
  return std::get<0>(at::cdist(x, x, 2.0, 2).kthvalue(k + 1, 1));  // the first is the row itself
}

/// sum over i of (values[i] - mean)^2 (n - 1) / n: the jackknife's variance of an estimate.
double jackknife(const Tensor& values) {
  const auto n = static_cast<double>(values.size(0));
  return (values - values.mean()).square().sum().item<double>() * (n - 1.0) / n;
}

}  // namespace

double frechet_distance(const Tensor& x, const Tensor& y) {
  const auto [a, b] = checked(x, y, 2);
  return frechet(Gaussian(a), Gaussian(b));
}

ExtrapolatedDistance frechet_distance_infinity(const Tensor& real, const Tensor& generated,
                                               std::uint64_t seed) {
  constexpr int kPoints = 15;
  const auto rows = checked(generated, 20);
  const auto n = rows.size(0);
  MEDAUG_ASSERT(real.size(1) == rows.size(1));
  const Gaussian whole(checked(real, 2));
  // Below the number of features the distance is no line in 1 / n: it flattens out. Measured on
  // normal features with 1 / j spectra, a quarter has a smaller error than a tenth or a half.
  const double first = 1.0 / static_cast<double>(std::max<std::int64_t>(10, n / 4));
  const double last = 1.0 / static_cast<double>(n);
  std::vector<double> x, y;
  for (int i = 0; i < kPoints; ++i) {
    const double inverse = std::lerp(first, last, static_cast<double>(i) / (kPoints - 1));
    const auto size = std::min(n, static_cast<std::int64_t>(std::lround(1.0 / inverse)));
    const auto order =
        permutation(n, RandomStream(seed, Purpose::kBootstrap, static_cast<std::uint64_t>(i), 1));
    const auto some =
        at::tensor(at::ArrayRef<std::int64_t>(order).slice(0, static_cast<std::size_t>(size)));
    x.push_back(1.0 / static_cast<double>(size));
    y.push_back(frechet(whole, Gaussian(rows.index_select(0, some))));
  }
  double mean_x = 0.0, mean_y = 0.0, xx = 0.0, xy = 0.0;
  for (int i = 0; i < kPoints; ++i) {
    mean_x += x[static_cast<std::size_t>(i)] / kPoints;
    mean_y += y[static_cast<std::size_t>(i)] / kPoints;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  const double slope = xy / xx, intercept = mean_y - slope * mean_x;
  double residual = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double off = y[i] - intercept - slope * x[i];
    residual += off * off;
  }
  return {intercept, std::sqrt(residual / (kPoints - 2) * (1.0 / kPoints + mean_x * mean_x / xx))};
}

KernelDistance kernel_distance(const Tensor& x_in, const Tensor& y_in) {
  const auto [x, y] = checked(x_in, y_in, 3);
  const auto m = static_cast<double>(x.size(0)), n = static_cast<double>(y.size(0));
  auto kxx = kernel(x, x), kyy = kernel(y, y);
  kxx.fill_diagonal_(0.0);
  kyy.fill_diagonal_(0.0);
  const auto kxy = kernel(x, y);
  const auto rows_x = kxx.sum(1), rows_y = kyy.sum(1);  // without the diagonal
  const double sx = rows_x.sum().item<double>(), sy = rows_y.sum().item<double>(),
               sxy = kxy.sum().item<double>();
  const auto estimate = [&](const auto& xx, double mx, const auto& yy, double ny, const auto& xy) {
    return xx / (mx * (mx - 1.0)) + yy / (ny * (ny - 1.0)) - xy * (2.0 / (mx * ny));
  };
  // The estimate without each row in turn: its pairs leave the sums.
  const auto without_x = estimate(sx - 2.0 * rows_x, m - 1.0, sy, n, sxy - kxy.sum(1));
  const auto without_y = estimate(sx, m, sy - 2.0 * rows_y, n - 1.0, sxy - kxy.sum(0));
  return {estimate(sx, m, sy, n, sxy), std::sqrt(jackknife(without_x) + jackknife(without_y))};
}

Manifold manifold(const Tensor& real_in, const Tensor& generated_in, std::int64_t k) {
  const auto [real, generated] = checked(real_in, generated_in, k + 1);
  const auto between = at::cdist(real, generated, 2.0, 2);  // (R, G)
  const auto real_radii = radii(real, k).unsqueeze(1),
             radii_of_made = radii(generated, k).unsqueeze(0);
  const auto in_real = between < real_radii, in_made = between < radii_of_made;
  const auto share = [](const Tensor& hits) { return hits.to(at::kDouble).mean().item<double>(); };
  Manifold out;
  out.precision = share(in_real.any(0));
  out.recall = share(in_made.any(1));
  out.density = in_real.sum().item<double>() / static_cast<double>(k * generated.size(0));
  out.coverage = share(std::get<0>(between.min(1)) < real_radii.squeeze(1));
  return out;
}

Nearest nearest_rows(const Tensor& from, const Tensor& to) {
  constexpr std::int64_t kRows = 1024;  // at a time: the table of all distances may not fit
  const auto [rows, all] = checked(from, to, 1);
  Nearest out;
  for (const auto& some : rows.split(kRows)) {
    const auto [distance, index] = at::cdist(some, all, 2.0, 2).min(1);
    const auto* d = distance.const_data_ptr<double>();
    const auto* i = index.const_data_ptr<std::int64_t>();
    out.distance.insert(out.distance.end(), d, d + some.size(0));
    out.index.insert(out.index.end(), i, i + some.size(0));
  }
  return out;
}

double authentic_percent(const Tensor& training, const Tensor& generated) {
  constexpr std::int64_t kRows = 1024;
  const auto nearest = nearest_rows(generated, training);
  std::vector<double> own;  // distance of each training row to its nearest neighbour
  for (std::int64_t begin = 0; begin < training.size(0); begin += kRows) {
    const auto some = training.slice(0, begin, begin + kRows);
    auto distance = at::cdist(some.to(at::kDouble), training.to(at::kDouble), 2.0, 2);
    distance.diagonal(begin).fill_(std::numeric_limits<double>::infinity());
    const auto least = std::get<0>(distance.min(1)).contiguous();
    own.insert(own.end(), least.const_data_ptr<double>(),
               least.const_data_ptr<double>() + least.numel());
  }
  std::int64_t authentic = 0;
  for (std::size_t i = 0; i < nearest.index.size(); ++i) {
    authentic += nearest.distance[i] > own[static_cast<std::size_t>(nearest.index[i])] ? 1 : 0;
  }
  return 100.0 * static_cast<double>(authentic) / static_cast<double>(nearest.index.size());
}

}  // namespace medaug
