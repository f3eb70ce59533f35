// SPDX-License-Identifier: MIT
#include "evaluation/appearance.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace medaug {
namespace {

using at::Tensor;

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

Tensor grey(const Tensor& images) { return images.to(at::kDouble).mean(1); }  // (N, H, W)

/// Mean over the images of log10 of the power at each distance from the centre of the spectrum.
Tensor radial_power(const Tensor& images) {
  const auto x = grey(images);
  const auto power = at::fft_fft2(x - x.mean({1, 2}, true)).abs().square().mean(0);  // (H, W)
  const auto h = x.size(1), w = x.size(2);
  const auto distance = [&](std::int64_t n) {
    return at::fft_fftfreq(n, 1.0, at::dtype(at::kDouble)).square();
  };
  const auto bins = std::min(h, w) / 2;
  const auto radius = (distance(h).unsqueeze(1) + distance(w).unsqueeze(0)).sqrt();  // up to 0.7
  const auto bin = (radius * (2.0 * static_cast<double>(bins))).round().to(at::kLong);
  const auto inside = bin.ge(1).logical_and(bin.le(bins));
  const auto index = bin.masked_select(inside) - 1;
  const auto zeros = at::zeros({bins}, at::dtype(at::kDouble));
  const auto values = power.masked_select(inside);
  const auto sums = zeros.index_add(0, index, values);
  const auto counts = zeros.index_add(0, index, at::ones_like(values));
  return (sums / counts + 1e-12).log10();
}

}  // namespace

double sharpness(const Tensor& images) {
  if (std::min(images.size(2), images.size(3)) < 3 || images.size(2) * images.size(3) < 12) {
    return kNothing;
  }
  const auto kernel =
      at::tensor({0.0, 1.0, 0.0, 1.0, -4.0, 1.0, 0.0, 1.0, 0.0}, at::dtype(at::kDouble))
          .view({1, 1, 3, 3});
  const auto laplacian = at::conv2d(grey(images).unsqueeze(1), kernel);
  return laplacian.flatten(1).var(1).median().item<double>();
}

double seam_ratio(const Tensor& images, std::int64_t patch) {
  const auto x = images.to(at::kDouble);
  const auto steps = (x.slice(3, 1) - x.slice(3, 0, -1)).abs().mean({0, 1, 2});  // (W - 1)
  const auto at_border = at::arange(steps.size(0)).remainder(patch).eq(patch - 1);
  const double across = steps.masked_select(at_border).mean().item<double>();
  return across / steps.masked_select(at_border.logical_not()).mean().item<double>();
}

double spread(const Tensor& images) {
  return images.size(0) < 2 ? kNothing : images.to(at::kDouble).std(0).mean().item<double>();
}

double spectrum_distance(const Tensor& a, const Tensor& b) {
  return (radial_power(a) - radial_power(b)).square().mean().sqrt().item<double>();
}

double histogram_distance(const Tensor& a, const Tensor& b) {
  constexpr std::int64_t kQuantiles = 1000;
  // The middles of equal shares: the ends would give two single pixels the weight of a share.
  const auto share = (at::arange(kQuantiles, at::dtype(at::kDouble)) + 0.5) / kQuantiles;
  const auto quantiles = [&](const Tensor& images) {
    const auto sorted = std::get<0>(grey(images).flatten().sort());
    return sorted.index_select(0, (share * sorted.size(0)).to(at::kLong));
  };
  return ((quantiles(a) - quantiles(b)).abs().mean() * 127.5).item<double>();
}

}  // namespace medaug
